"""The URLs of servers, which may hold a password: what is wrong with one is said without any part of it.

A password with '/' or '@' that is not percent-encoded ends up in the host, the port or the database's name, and from
there in everybody's error messages. So a URL is looked at before anybody else parses it.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

ENCODE = "in a password, write %40 for '@', %2F for '/', %3A for ':', %3F for '?', %25 for '%'"
UNSEEN = "must not contain a line break or another character that cannot be seen"
POSTGRES = ("postgresql://", "postgres://")
REGISTRY_FORM = "must be http://host:8081, or .../apis/ccompat/v7 for Apicurio"


def is_port(text: str) -> bool:
    """Whether somebody could listen there."""
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536


def database_trouble(url: str) -> str | None:
    """Why a database URL is not handed to libpq, if it is not. Keyword strings are libpq's to parse."""
    if not url.isprintable():
        return UNSEEN
    scheme = next((scheme for scheme in POSTGRES if url.startswith(scheme)), None)
    if scheme is None:
        return None
    authority, _, rest = url.removeprefix(scheme).partition("/")
    if authority.count("@") > 1 or "@" in rest:
        return f"has an '@' that is not percent-encoded: {ENCODE}"
    hosts = authority.partition("?")[0].rpartition("@")[2]
    for host in hosts.split(","):
        port = host.rpartition("]")[2].partition(":")[2]
        if port and not (port.isascii() and port.isdigit()):
            return f"has a port that is not a number: {ENCODE}, and name the host: postgresql://user:password@host/db"
    return None


def registry_trouble(url: str) -> str | None:
    """Why a registry's URL, or one of several with commas between them, is none."""
    if not url.isprintable():
        return UNSEEN
    for one in url.split(","):
        try:
            parts = urlsplit(one.strip())
            is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is no number
            is_whole = False
        if not is_whole or parts.netloc.count("@") > 1 or "@" in parts.path or parts.query or parts.fragment:
            return f"{REGISTRY_FORM}; {ENCODE}"
    if len({urlsplit(one.strip()).netloc.rpartition("@")[0] for one in url.split(",")}) > 1:
        return "has several logins: each of the registries would be told the first one"
    return None


def without_login(url: str) -> str:
    """A registry's URL, or several, without user and password."""
    each = (urlsplit(one.strip()) for one in url.split(","))
    return ",".join(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() for parts in each)


def login_of(url: str) -> tuple[str, str] | None:
    """User and password of a registry's URL, the first of several, if it has them."""
    first = urlsplit(url.split(",")[0].strip())
    return None if first.username is None else (unquote(first.username), unquote(first.password or ""))


def username_of(url: str) -> str:
    """Of its login, or nothing."""
    return (login_of(url) or ("", ""))[0]


def password_of(url: str) -> str:
    """Of its login, or nothing."""
    return (login_of(url) or ("", ""))[1]
