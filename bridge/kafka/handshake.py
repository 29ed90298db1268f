"""What is wrong with the beginning of a connection to a broker, found out by one of our own: librdkafka does not tell.

It says the same of a certificate of another host and of one of an unknown authority, and nothing of a listener that
speaks another protocol.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress

from bridge.kafka_transport import ENCRYPTED, protocol_of

SECONDS = 2.0


def tls_context(properties: Mapping[str, str]) -> ssl.SSLContext:
    """As librdkafka has it, as far as files say it. Raises OSError for files that are none."""
    context = ssl.create_default_context(cafile=properties.get("ssl.ca.location"), cadata=properties.get("ssl.ca.pem"))
    if properties.get("ssl.endpoint.identification.algorithm", "").lower() == "none":
        context.check_hostname = False
    if certificate := properties.get("ssl.certificate.location"):
        key, password = properties.get("ssl.key.location"), properties.get("ssl.key.password")
        context.load_cert_chain(certificate, key, password or "")
    return context


def handshake_trouble(host: str, port: int, properties: Mapping[str, str]) -> str | None:
    """What is wrong, in words, if that can be seen from outside."""
    is_encrypted = protocol_of(properties) in ENCRYPTED
    with suppress(OSError, ValueError):  # it is away, or the files cannot be read: librdkafka has said so
        context = tls_context(properties) if is_encrypted else _unverified()
        try:
            with (
                socket.create_connection((host, port), SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                return None if is_encrypted else "it speaks TLS, and security.protocol does not"
        except ssl.SSLCertVerificationError as error:
            return f"its certificate is not believed: {error.verify_message.rstrip('.')}"
    return None


def _unverified() -> ssl.SSLContext:
    """To see whether there is TLS at all; nothing is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
