"""Every error that `bridge` raises on purpose. Its class decides the reaction; nobody looks at message texts.

    BridgeError                      exit 1
    |__ ConfigError                  exit 4   the operator must act: a knob, a route, a schema file, a missing topic
    |   |__ MigrationError           exit 4   the database's version is not the one this program needs
    |__ Unavailable                  exit 3   wait with backoff, then the same again
    |   |__ DatabaseUnavailable
    |   |__ BrokerUnavailable
    |   |__ RegistryUnavailable
    |__ LeaseLost                    -        drop the batch, mark nothing, look for a shard again
    |__ PublishUncertain             -        the Kafka transaction did not plainly succeed: rebuild and reconcile
    |__ ShardStopped                 exit 5   ledger and Kafka contradict each other: a person must decide
    |__ PoisonEvent                  -        dead-letter this one event, go on
    |   |__ UnroutableEvent
    |   |__ EncodingError
    |   |__ RecordTooLarge
    |__ IncompatibleSchema           exit 4   hold this event type: a person must decide
    |__ VerificationFailed           exit 6   database and topics differ

`click` uses exit 2 for a wrong command line; Ctrl-C ends a command with 130 (`bridge run` stops gracefully with 0).
"""

from __future__ import annotations

from typing import ClassVar


class BridgeError(Exception):
    """Something went wrong that `bridge` can explain.

    `message` says what and where; `hint` says what to do next and is shown on the same line.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(BridgeError):
    """The operator must change something before this can work."""

    exit_code = 4


class MigrationError(ConfigError):
    """The database's version is not the one this program needs, or a migration failed."""


class Unavailable(BridgeError):
    """A server cannot be reached or does not let us in; the same again may work later."""

    exit_code = 3


class DatabaseUnavailable(Unavailable):
    """Postgres cannot be reached or refuses the connection."""


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached or refuses the connection."""


class RegistryUnavailable(Unavailable):
    """The schema registry cannot be reached or answers with an error of its own."""


class LeaseLost(BridgeError):
    """Another relay owns the shard now: drop the batch, mark nothing."""


class PublishUncertain(BridgeError):
    """A Kafka transaction did not plainly succeed: only a new producer and the committed offset can tell."""


class ShardStopped(BridgeError):
    """Ledger and Kafka contradict each other; going on would be a guess."""

    exit_code = 5


class KeysBlocked(BridgeError):
    """What is still pending waits behind dead events of its keys, and a person must decide."""

    exit_code = 5


class PoisonEvent(BridgeError):
    """One event that can never be published as it is; the others go on."""


class UnroutableEvent(PoisonEvent):
    """No route names this event type."""


class EncodingError(PoisonEvent):
    """The payload does not fit its Avro schema."""


class RecordTooLarge(PoisonEvent):
    """The record is larger than the topic accepts."""


class IncompatibleSchema(BridgeError):
    """The registry has an older schema that the new one would break; this event type is held."""

    exit_code = 4


class VerificationFailed(BridgeError):
    """The topics are not what the database says they should be."""

    exit_code = 6
