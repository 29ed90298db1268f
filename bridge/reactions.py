"""One reaction for each kind of error: the only place that says so. An error's class decides, and where it is met.

What no table names was not foreseen. It may be a bug of ours, so it stops only what it touches: Reaction.BACK_OFF.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from bridge.errors import (
    BrokerRefuses,
    ConfigError,
    DatabaseRefuses,
    LeaseLost,
    LimitsUnsure,
    MigrationError,
    PoisonEvent,
    PublishUncertain,
    RegistryUnavailable,
    ShardStopped,
    TopicHeld,
    Unavailable,
)


class Reaction(Enum):
    """What is done about an error."""

    PARK = "this event becomes a dead letter; a person may retry or skip it"
    HOLD = "this topic's events wait, and are tried again every few seconds; said once, shown by status"
    WAIT = "said once for what it is, shown by status, and tried again with back-off, for ever"
    REFRESH = "the topics' limits are read again, and the events, too"
    RECONCILE = "new connections; Kafka's last batch says what happened; smaller batches after three in a row"
    LEAVE = "the shard is not ours any more: what was read is dropped, and it is taken anew if nobody else has it"
    STOP = "the shard stays stopped, in the database, until a person has looked (bridge recover)"
    END = "the command ends with the message and the error's exit code"
    BACK_OFF = (
        "tried again with a back-off that outlives connections and threads; said once with its cause, counted, shown by"
        " status and the exit code; after three failures of one batch it is tried in smaller ones, down to one event,"
        " and the event that fails alone becomes a dead letter; other shards go on"
    )


Reactions = Mapping[type[BaseException], Reaction]

# While one event is made a record.
OF_AN_EVENT: Reactions = {
    PoisonEvent: Reaction.PARK,
    LimitsUnsure: Reaction.REFRESH,
    TopicHeld: Reaction.HOLD,
    RegistryUnavailable: Reaction.HOLD,
    ConfigError: Reaction.HOLD,  # its schema file, or the registry's login
}

# Anywhere else in the thread of a shard.
OF_A_SHARD: Reactions = {
    LeaseLost: Reaction.LEAVE,
    ShardStopped: Reaction.STOP,
    PublishUncertain: Reaction.RECONCILE,
    LimitsUnsure: Reaction.REFRESH,
    Unavailable: Reaction.WAIT,
    ConfigError: Reaction.WAIT,  # right at the start, so something was changed since, and may be changed back
}

# In the loop that shares the shards out; they go on meanwhile.
OF_A_RELAY: Reactions = {
    MigrationError: Reaction.END,  # the database is about to become one that this program cannot work with
    Unavailable: Reaction.WAIT,
    ConfigError: Reaction.WAIT,
}

# Before a relay carries anything; all else ends the command.
AT_START: Reactions = {
    # For as long as --wait-seconds says. A refusal, too: a secret, a grant or an ACL may come after the relay.
    Unavailable: Reaction.WAIT,
}

# The same under --until-empty, where somebody waits for the end, and a refusal seldom passes by itself.
AT_START_UNTIL_EMPTY: Reactions = {
    **AT_START,
    DatabaseRefuses: Reaction.END,
    BrokerRefuses: Reaction.END,
}


def reaction(error: BaseException, table: Reactions) -> Reaction:
    """The reaction to `error`: that of the nearest class that `table` names."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), Reaction.BACK_OFF)
