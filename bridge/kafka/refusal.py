"""Whether a broker answers and does not let us in, or we do not believe that it is one; and what to do about it."""

from __future__ import annotations

import re

from confluent_kafka import KafkaError

# librdkafka's words for what has no code of its own. A token that could not be had is the matter of who gives it.
_NO_TOKEN = "Failed to acquire SASL OAUTHBEARER token"  # noqa: S105 - words
_ALERT = re.compile(r"SSL routines::[^:]* alert ")  # what the broker says of our side of TLS, in OpenSSL's words
_LOGIN = "Check sasl.mechanism and the login in kafka.properties, and that the broker knows it"
_CERTIFICATE = "Check ssl.ca.location, and that brokers are named as their certificates name them"
_OURS = "The broker wants a certificate of a client that it believes: ssl.certificate.location, ssl.key.location"


def refusal_hint(error: KafkaError) -> str | None:
    """What to do about a refusal; None for what is none, as a broker that is away, or a right that is missing."""
    text = str(error.str())
    if _ALERT.search(text):
        return _OURS
    if error.code() == KafkaError._SSL and "certificate" in text:
        return _CERTIFICATE
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED) and _NO_TOKEN not in text:
        return _LOGIN
    return None
