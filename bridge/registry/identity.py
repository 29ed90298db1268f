"""Who we are to the registry, and whom we believe to be it: read from files again when these have changed."""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from bridge.errors import ConfigError
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
    if settings.token:
        return f"Bearer {settings.token}"
    if not settings.username:
        return None
    return f"Basic {b64encode(f'{settings.username}:{settings.password}'.encode()).decode()}"


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
