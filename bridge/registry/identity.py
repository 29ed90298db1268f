"""Who we are to the registry, and whom we believe to be it: read from files again when these have changed."""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from bridge.errors import ConfigError, RegistryUnavailable
from bridge.from_file import FileUnreadable, latest
from bridge.settings import RegistrySettings

Stamp = tuple[tuple[int, int, int] | None, ...]


class Identity(NamedTuple):
    """A login, as HTTP's header has it, if there is one; and the certificates of both sides."""

    authorization: str | None
    tls: ssl.SSLContext


class Identities:
    """That of now; a replaced file counts from the next question on."""

    def __init__(self, settings: RegistrySettings, usual: Callable[[], ssl.SSLContext]) -> None:
        """`usual` believes the usual authorities. Raises ConfigError for a file that cannot be used."""
        self._settings, self._usual = settings, usual
        self._stamp = self._stamp_now()
        self._tls = self._open_tls()

    def now(self) -> Identity:
        """Half of a replacement, as a key that does not fit its certificate yet, does not count before it is whole."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            with suppress(ConfigError):  # then the former one goes on, and the next question looks again
                self._tls, self._stamp = self._open_tls(), stamp
        return Identity(_authorization(self._settings), self._tls)

    def _stamp_now(self) -> Stamp:
        settings = self._settings
        return tuple(_stamp(file) for file in (settings.ca_file, settings.certificate_file, settings.key_file) if file)

    def _open_tls(self) -> ssl.SSLContext:
        """Always one that verifies the server and its name."""
        settings = self._settings
        knob, file = "registry.ca_file", settings.ca_file
        try:
            context = ssl.create_default_context(cafile=file) if file else self._usual()
            if settings.certificate_file:
                knob, file = "registry.certificate_file", settings.certificate_file
                context.load_cert_chain(file, settings.key_file or None, "")  # or it would ask the terminal
        except (OSError, ValueError) as error:  # of which ssl's are some
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            hint = "It must be PEM, and a certificate must fit its key"
            raise ConfigError(f"{knob} {file!r} cannot be used: {why}", hint=hint) from error
        return context


def _authorization(settings: RegistrySettings) -> str | None:
    """By what files hold now. Raises RegistryUnavailable for one that has gone, or holds what is no token any more."""
    try:
        token, username, password = (latest(text) for text in (settings.token, settings.username, settings.password))
    except FileUnreadable as error:
        hint = "Put the file back: it is read for each question"
        raise RegistryUnavailable(f"the registry's login {error}", hint=hint) from None
    if token:
        if not token.isascii() or not token.isprintable():  # or an error would show it
            raise RegistryUnavailable("the file of registry.token holds no token any more")
        return f"Bearer {token}"
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}" if username else None


def tls_trouble(error: BaseException) -> tuple[str, str] | None:
    """What is wrong between the certificates of both sides, and what to do; None if an error has another cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"its certificate is not believed: {cause.verify_message.rstrip('.')}"
            return why, "Check registry.ca_file, and that registry.url names the host as the certificate does"
        if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
            why = f"it does not believe us: {cause.reason.lower().replace('_', ' ')}"
            return why, "Check registry.certificate_file and registry.key_file"
        cause = cause.__cause__ or cause.__context__
    return None


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
