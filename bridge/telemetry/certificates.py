"""When the certificates expire that the configuration names, for all three servers; read again and again, from files.

Of a client's chain the first one counts that expires. Of authorities the last one: a file may keep old ones beside the
one that is in use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from bridge.certificates import ends, keystore_ends
from bridge.errors import ConfigError, DatabaseUnavailable
from bridge.from_file import FileUnreadable, latest
from bridge.harmless import Harmless
from bridge.libpq import in_effect
from bridge.log_fields import about
from bridge.postgres.connection import parameters_of
from bridge.settings import KafkaSettings, Settings
from bridge.telemetry import catalog
from bridge.telemetry.now import gauge
from bridge.text import printable

logger = logging.getLogger(__name__)

CLIENT, CA = "client", "ca"
MAX_BYTES = 10_000_000


class Certificate(NamedTuple):
    """What a setting names: `server` and `use` as the metric has them. Either `not_after` or `trouble` is None."""

    server: str
    use: str
    place: str
    not_after: datetime | None
    trouble: str | None


class _Named(NamedTuple):
    server: str
    use: str
    place: str
    read: Callable[[], list[datetime]]


class Certificates(Collector):
    """Tells what was read last; one that cannot be read is said once, and not told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._harmless = Harmless(logger, "certificates")
        self._said: set[str] = set()
        self._found: list[Certificate] = []

    def look(self) -> None:
        """Read them. Raises nothing."""
        self._harmless(self._look)

    def collect(self) -> Iterator[Family]:
        """The first that expires of each server and use."""
        values: dict[tuple[str, ...], float] = {}
        for one in self._found:
            if one.not_after is not None:
                labels = (one.server, one.use)
                values[labels] = min(one.not_after.timestamp(), values.get(labels, float("inf")))
        yield gauge(catalog.CERTIFICATE_END, values)

    def _look(self) -> None:
        self._found = read_certificates(self._settings)
        for one in self._found:
            if one.trouble is not None and one.place not in self._said:
                text = "the certificate of %s in %s cannot be read: %s"
                logger.warning(text, one.server, printable(one.place), one.trouble, extra=about("certificate-unread"))
        self._said = {one.place for one in self._found if one.trouble is not None}


def read_certificates(settings: Settings) -> list[Certificate]:
    """All that the settings name, in order of the servers."""
    return [_read(named) for named in (*_of_postgres(settings), *_of_kafka(settings.kafka), *_of_registry(settings))]


def _read(named: _Named) -> Certificate:
    server, use, place, read = named
    try:
        found = read()
        return Certificate(server, use, place, min(found) if use == CLIENT else max(found), None)
    except FileUnreadable as error:
        return Certificate(server, use, place, None, str(error))
    except OSError as error:
        return Certificate(server, use, place, None, error.strerror or type(error).__name__)
    except ValueError:
        return Certificate(server, use, place, None, "it holds no certificate that can be read")


def _of_postgres(settings: Settings) -> Iterator[_Named]:
    """By what libpq would use."""
    try:
        parameters = in_effect(parameters_of(settings.database))
    except (ConfigError, DatabaseUnavailable):
        return  # whoever connects says that
    for name, use in (("sslcert", CLIENT), ("sslrootcert", CA)):
        file = parameters.get(name)
        if file and file != "system":
            yield _pem_file("postgres", use, file)


def _of_kafka(settings: KafkaSettings) -> Iterator[_Named]:
    given = settings.properties
    for name, use in (("ssl.certificate", CLIENT), ("ssl.ca", CA)):
        file, pem = given.get(f"{name}.location"), given.get(f"{name}.pem")
        if file and not Path(file).is_dir() and file != "probe":  # librdkafka searches for authorities itself
            yield _pem_file("kafka", use, file)
        if pem:
            yield _Named("kafka", use, f"kafka.properties.{name}.pem", partial(_of_text, pem))
    if store := given.get("ssl.keystore.location"):
        password = given.get("ssl.keystore.password", "")
        yield _Named("kafka", CLIENT, store, partial(_of_keystore, store, password))


def _of_registry(settings: Settings) -> Iterator[_Named]:
    for file, use in ((settings.registry.certificate_file, CLIENT), (settings.registry.ca_file, CA)):
        if file:
            yield _pem_file("registry", use, file)


def _pem_file(server: str, use: str, file: str) -> _Named:
    return _Named(server, use, file, partial(_of_file, file))


def _of_file(file: str) -> list[datetime]:
    return ends(_content(file))


def _of_text(pem: str) -> list[datetime]:
    return ends(latest(pem).encode())


def _of_keystore(file: str, password: str) -> list[datetime]:
    return keystore_ends(_content(file), latest(password))


def _content(file: str) -> bytes:
    with Path(file).open("rb") as stream:
        return stream.read(MAX_BYTES)
