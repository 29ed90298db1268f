"""The errors of `bridge`, but for those that one module alone knows.

An error's class decides the reaction (`reactions.py`); nobody looks at texts.

    BridgeError                      exit 1
    |__ ConfigError                  exit 4   the operator must act: a knob, a route, a schema file, a missing topic
    |   |__ MigrationError           exit 4   the database's version is not the one this program needs
    |__ Unavailable                  exit 3   a server cannot be reached
    |   |__ DatabaseUnavailable
    |   |   |__ DatabaseRefuses               it answers, but does not let us: a privilege, a time-out, read-only
    |   |__ BrokerUnavailable
    |   |   |__ BrokerRefuses                 it answers, but does not let us: a login, an ACL
    |   |__ RegistryUnavailable
    |   |__ StorageUnavailable                where cold files lie
    |__ LeaseLost                    -        another relay has the shard
    |__ PublishUncertain             -        a Kafka transaction did not plainly succeed
    |   |__ ProducerFenced           -        another relay has opened the shard's producer since
    |__ RecordRefused                -        the broker refuses a record of a batch, and does not say which
    |__ LimitsUnsure                 -        an event is too large, if the topics' limits are what they were
    |__ EventFailed                  -        a bug met one event
    |__ ShardStopped                 exit 5   ledger and Kafka contradict each other: a person must decide
    |__ KeysBlocked                  exit 5   what is pending waits behind dead events: a person must decide
    |__ UnforeseenFailure            exit 5   a shard meets a bug again and again: a person must look
    |__ PoisonEvent                  -        this one event can never be published as it is
    |   |__ UnroutableEvent
    |   |__ EncodingError
    |   |__ RecordTooLarge
    |__ TopicHeld                    exit 4   this one topic cannot be published to
    |   |__ IncompatibleSchema                the registry has an older schema that the new one would break
    |   |__ SchemaRefused                     the registry calls it invalid, or does not let us register it
    |   |__ SchemaUnregistered                it is not in the registry, and we are not to register it
    |   |__ TopicUnwritable                   it is missing, forbidden, lacks leaders, or takes nothing
    |__ VerificationFailed           exit 6   database and topics differ, tracked tables and their events, or a table
                                              and its cold files

`click` uses exit 2 for a wrong command line; Ctrl-C ends a command with 130 (`bridge run` stops gracefully).
"""

from __future__ import annotations

import re
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

    @classmethod
    def code(cls) -> str:
        """What programs know it by: the class's name in kebab case. docs/command-line.md lists all."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

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
    """Postgres cannot be reached, or has no connection for us at this moment."""


class DatabaseRefuses(DatabaseUnavailable):
    """Postgres answers, but does not do what we ask; a person may have to change something there."""


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached or refuses the connection."""


class BrokerRefuses(BrokerUnavailable):
    """Kafka answers, but does not do what we ask; a person may have to change something there."""


class RegistryUnavailable(Unavailable):
    """The schema registry cannot be reached or answers with an error of its own."""


class StorageUnavailable(Unavailable):
    """What holds cold files cannot be reached, is full, or does not let us."""


class LeaseLost(BridgeError):
    """Another relay owns the shard now, or the database is not what was taken: drop the batch, mark nothing."""


class PublishUncertain(BridgeError):
    """A Kafka transaction did not plainly succeed: only a new producer and the control record can tell."""


class ProducerFenced(PublishUncertain):
    """Another relay has opened the shard's producer since, or this one has waited for too long."""


class RecordRefused(BridgeError):
    """The broker refuses a record of a batch; which one, it does not say."""


class LimitsUnsure(BridgeError):
    """An event is too large for its topic, by what was known of it some time ago."""


class EventFailed(BridgeError):
    """Something nobody foresaw happened with one event; `seq` is its number, the cause is `__cause__`."""

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


class ShardStopped(BridgeError):
    """Ledger and Kafka contradict each other; going on would be a guess."""

    exit_code = 5


class KeysBlocked(BridgeError):
    """What is still pending waits behind dead events of its keys, and a person must decide."""

    exit_code = 5


class UnforeseenFailure(BridgeError):
    """A shard does not get on, for a reason that nobody foresaw."""

    exit_code = 5


class PoisonEvent(BridgeError):
    """One event that can never be published as it is; the others go on. `kind` is one of few words, for counting."""

    kind: ClassVar[str] = "poison"


class UnroutableEvent(PoisonEvent):
    """No route names this event type."""

    kind = "no_route"


class EncodingError(PoisonEvent):
    """The payload does not fit its Avro schema."""

    kind = "encoding"


class RecordTooLarge(PoisonEvent):
    """The record is larger than the topic accepts."""

    kind = "too_large"


class TopicHeld(BridgeError):
    """One topic cannot be published to; its events wait, those of other topics go on."""

    exit_code = 4


class IncompatibleSchema(TopicHeld):
    """The registry has an older schema that the new one would break."""


class SchemaRefused(TopicHeld):
    """The registry calls the schema invalid, or does not let us change anything about its subject."""


class SchemaUnregistered(TopicHeld):
    """The registry does not have the schema, and registry.register says that a relay does not register any."""


class TopicUnwritable(TopicHeld):
    """The topic is missing, we may not write to it, it lacks leaders or replicas, or it takes no record of any size."""


class VerificationFailed(BridgeError):
    """The topics are not what the database says, events not what tracked tables hold, or cold files not as written."""

    exit_code = 6
