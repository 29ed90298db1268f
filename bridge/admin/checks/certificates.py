"""How long the certificates are valid that the configuration names, for all three servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bridge.admin.checks.check import Check, ok, problem
from bridge.settings import Settings
from bridge.telemetry.certificates import Certificate, read_certificates

SOON = timedelta(days=14)  # as the alert rule has it
MEND = "Put another one into the file: it is read again for each new connection"


def check_certificates(settings: Settings) -> Iterator[Check]:
    """Reaches no server."""
    now = datetime.now(UTC)
    for certificate in read_certificates(settings):
        yield expiry(certificate, now)


def expiry(certificate: Certificate, now: datetime) -> Check:
    """Whether it is valid, and for long enough for somebody to make another one."""
    name, place, end = f"{certificate.server} {certificate.use} certificate", certificate.place, certificate.not_after
    if end is None:
        return problem(name, f"{place} cannot be read: {certificate.trouble}", "It must be a PEM file that we may read")
    until = f"{end:%Y-%m-%d %H:%M} UTC"
    if end <= now:
        return problem(name, f"{place} has expired: it was valid until {until}", MEND)
    if end - now < SOON:
        return problem(name, f"{place} expires soon: it is valid until {until}", MEND)
    return ok(name, f"{place} is valid until {until}, for {(end - now).days} days")
