"""Which connections to Kafka let somebody in between listen or answer; pure, for relays and `bridge.consumer`.

librdkafka takes names of properties as it has them and no others, values in any case, and some with blanks in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from bridge.transport import Exposed, exposed, is_local

PORT = 9092  # where none is given
PROTOCOL = "security.protocol"
ENCRYPTED = ("ssl", "sasl_ssl")
VERIFICATION = "enable.ssl.certificate.verification"
IDENTIFICATION = "ssl.endpoint.identification.algorithm"
TOKEN_URL = "sasl.oauthbearer.token.endpoint.url"  # noqa: S105 - a name
UNSIGNED = "enable.sasl.oauthbearer.unsecure.jwt"
FALSE, TRUE = ("false", "f", "0"), ("true", "t", "1")  # as librdkafka reads them
# What a login without encryption tells whoever listens.
TOLD = {
    "PLAIN": "the password would be sent as it is",
    "OAUTHBEARER": "the token would be sent as it is",
    "SCRAM-SHA-256": "records could be read, and the password be guessed at",
    "SCRAM-SHA-512": "records could be read, and the password be guessed at",
}


class Server(NamedTuple):
    """One of the bootstrap servers; `protocol` is in lower case, and empty where the list does not say it."""

    protocol: str
    host: str
    port: int


def servers(bootstrap_servers: str) -> Iterator[Server]:
    """Those of a list with commas."""
    for one in filter(None, (part.strip() for part in bootstrap_servers.split(","))):
        protocol, separator, rest = one.partition("://")
        place = rest if separator else one
        if place.startswith("["):
            host, _, port = place[1:].partition("]")
        else:
            host, _, port = place.partition(":")
        number = port.removeprefix(":")
        yield Server(protocol.lower() if separator else "", host, int(number) if number.isdigit() else PORT)


class Exposure(NamedTuple):
    """What somebody in between could read, or answer: the property that says so, why, and what to do."""

    name: str
    message: str
    mend: str

    @property
    def for_operators(self) -> Exposed:
        """With the option that allows it."""
        return exposed("kafka", self.message, self.mend)


def protocol_of(properties: Mapping[str, str]) -> str:
    """In lower case."""
    return _said(properties, PROTOCOL) or "plaintext"


def exposed_kafka(bootstrap_servers: str, properties: Mapping[str, str]) -> Iterator[Exposure]:
    """What would expose connections to Kafka, or to who gives tokens for it."""
    if _said(properties, VERIFICATION) in FALSE:
        message = f"whoever answers would be believed to be Kafka ({VERIFICATION}=false)"
        yield Exposure(VERIFICATION, message, "Leave it out, and name the CA in ssl.ca.location")
    if _said(properties, IDENTIFICATION) == "none":
        message = f"any server with a certificate of the same CA would be believed to be Kafka ({IDENTIFICATION}=none)"
        mend = "Leave it out, and name brokers, here and in advertised.listeners, as their certificates do"
        yield Exposure(IDENTIFICATION, message, mend)
    if (trouble := exposed_hosts((server.host for server in servers(bootstrap_servers)), properties)) is not None:
        yield trouble
    url = properties.get(TOKEN_URL)
    if url and not _is_protected(url):
        message = f"the client's secret would be sent as it is ({TOKEN_URL} is not https, and not on this machine)"
        yield Exposure(TOKEN_URL, message, "Write https://")
    if _said(properties, UNSIGNED) in TRUE:
        yield Exposure(UNSIGNED, f"tokens that nobody has signed would be sent ({UNSIGNED})", "Leave it out")


def exposed_brokers(hosts: Iterable[str], properties: Mapping[str, str]) -> Exposure | None:
    """The same of all that the first ones name, which may be elsewhere although these are here."""
    exposure = exposed_hosts(sorted(set(hosts)), properties)
    if exposure is None:
        return None
    return exposure._replace(message=f"brokers are elsewhere (advertised.listeners): {exposure.message}")


def exposed_hosts(hosts: Iterable[str], properties: Mapping[str, str]) -> Exposure | None:
    """What is wrong with the way to those of these brokers that are not on this machine, if anything is."""
    far = [host for host in hosts if not is_local(host)]
    protocol = protocol_of(properties)
    if not far or protocol in ENCRYPTED:
        return None
    more = f" and {len(far) - 1} more" if len(far) > 1 else ""
    mechanism = (properties.get("sasl.mechanism") or properties.get("sasl.mechanisms") or "").upper()
    told = f"; {TOLD[mechanism]}" if protocol.startswith("sasl") and mechanism in TOLD else ""
    message = f"the connection to Kafka at {far[0]}{more}, not on this machine, would not be encrypted{told}"
    with_login = "SASL_SSL" if protocol.startswith("sasl") else "SSL or SASL_SSL"
    return Exposure(PROTOCOL, message, f"Set {PROTOCOL}={with_login}, and ssl.ca.location where the CA is your own")


def _said(properties: Mapping[str, str], name: str) -> str:
    return str(properties.get(name, "")).strip().lower()


def _is_protected(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_local(parts.hostname or ""))
    except ValueError:
        return False
