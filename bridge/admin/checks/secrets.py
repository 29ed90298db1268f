"""Whether others on this machine may read the files that hold our passwords."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.admin.checks.check import Check, note
from bridge.configuration.environment import FILE
from bridge.configuration.kafka_properties import is_secret
from bridge.configuration.knobs import PROPERTIES
from bridge.configuration.load import Configuration
from bridge.postgres.connection import PASSWORDS, parsed

OTHERS = stat.S_IRWXG | stat.S_IRWXO
KEYS = ("ssl.key.location", "ssl.keystore.location")  # Postgres' own client refuses a key that others may read


def check_secrets(configuration: Configuration, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """A note for each file whose mode its owner, who is us, can mend.

    As ssh does it: what somebody else owns is somebody else's to decide. So nothing is said of the secrets that
    Kubernetes and Docker mount, which belong to root, and which everybody in a container may read.
    """
    for path in sorted(set(_files(configuration, environ))):
        try:
            found = path.stat()
        except OSError:  # that it cannot be read is said elsewhere
            continue
        if found.st_uid == os.geteuid() and found.st_mode & OTHERS:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            yield note("secrets", f"{path} holds a password, and others may read it (mode {mode})", f"chmod 600 {path}")


def _files(configuration: Configuration, environ: Mapping[str, str]) -> Iterator[Path]:
    settings, places = configuration.settings, {configuration.origins[name].where for name in _secrets(configuration)}
    if configuration.path is not None and str(configuration.path) in places:
        yield configuration.path
    yield from (Path(environ[place]) for place in places if place.endswith(FILE) and place in environ)
    yield from (Path(value) for name, value in settings.kafka.properties.items() if name in KEYS and value)


def _secrets(configuration: Configuration) -> Iterator[str]:
    """The names of the settings whose values are secret, where they are set."""
    settings = configuration.settings
    if settings.database.url and not parsed(settings.database.url).keys().isdisjoint(PASSWORDS):
        yield "database.url"
    if settings.registry.password:
        yield "registry.password"
    for name, value in settings.kafka.properties.items():
        if value and is_secret(name):
            yield f"{PROPERTIES}.{name}"
