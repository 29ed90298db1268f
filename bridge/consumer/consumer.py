"""`Consumer`: events of Kafka topics, given to handlers whose effects in Postgres happen once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from bridge.consumer.blame import Blame
from bridge.consumer.decoding import Decoder
from bridge.consumer.delivery import Delivery
from bridge.consumer.feed import Feed
from bridge.consumer.handlers import H, Handlers
from bridge.consumer.inbox import connect, create_inbox
from bridge.consumer.loop import Loop
from bridge.consumer.parked import DeadLetter, ParkedEvents
from bridge.consumer.patience import Patience
from bridge.consumer.safety import require_safe
from bridge.consumer.signals import stopping_on_signals
from bridge.errors import ConfigError
from bridge.settings import OnDead, RegistrySettings


class Consumer:
    """One member of a consumer group.

    Effects of a handler happen once for each event (`ce_source` and `ce_id`), if they are in the database and made
    with the connection that it is given, and if the event does not come again later than `keep` after it came first.
    """

    def __init__(
        self,
        *,
        kafka: str,
        database: str,
        group: str,
        topics: Sequence[str],
        registry: RegistrySettings | str = "",
        properties: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
        on_dead: OnDead = OnDead.HOLD,
        attempts: int = 5,
        backoff_seconds: float = 1.0,
        batch: int = 500,
        keep: timedelta = timedelta(days=14),
    ) -> None:
        """Connects to nothing.

        `kafka`: bootstrap servers; `properties` are librdkafka's, for a login for example. `registry`: a URL, or
        settings with a login; needed for Avro. `database`: a libpq URL; it holds the inbox. `topics`: names.
        `allow_insecure`: also servers elsewhere without TLS, or that need not prove who they are.

        A handler that fails is tried again `attempts` - 1 times, after about `backoff_seconds`, then twice that, and
        so on up to a minute; then the event is dead. `on_dead`: HOLD, the default, because events of a key build on
        each other: its later ones wait until `retry` or `skip`; SKIP: they go on, and order is given up. `batch`:
        records in one transaction. `keep`: how long the inbox remembers an event.

        Raises ConfigError for a number that is not above 0, a group without a name, topics that are no list of names,
        properties that would run code, and a way to Kafka that is not protected.
        """
        if min(attempts, batch) < 1 or backoff_seconds <= 0 or keep <= timedelta():
            raise ConfigError("attempts, batch, backoff_seconds and keep must be above 0")
        if on_dead not in (OnDead.HOLD, OnDead.SKIP):
            raise ConfigError(f"on_dead must be hold or skip, not {on_dead!r}")
        if not group:  # librdkafka's Python would end the process
            raise ConfigError("the group must have a name")
        if isinstance(topics, str) or not topics or not all(topics):
            raise ConfigError(f"topics must be a list of names, not {topics!r}")
        require_safe(kafka, properties or {}, allow_insecure=allow_insecure)
        self._kafka, self._properties, self._topics = kafka, dict(properties or {}), list(topics)
        self._database, self._group, self._batch, self._keep = database, group, batch, keep
        self._registry = (
            RegistrySettings(url=registry, allow_insecure=allow_insecure) if isinstance(registry, str) else registry
        )
        self._allow_insecure = allow_insecure
        self._patience = Patience(attempts, backoff_seconds, OnDead(on_dead) is OnDead.HOLD)
        self._handlers = Handlers()
        self._is_ending = False

    def handler(self, event_type: str) -> Callable[[H], H]:
        """Decorates the function for events of a type: exact, or a prefix that ends in `*`; the longest fits best.

        Events without a handler are passed over. What has no `ce_type`, as a tombstone, goes to `*` alone. What the
        function writes is committed for it; it may be called again whenever that failed. It raises Unavailable (of
        this package) when something that it needs is away: then the consumer waits, and no attempt is counted.
        """

        def register(function: H) -> H:
            self._handlers.add(event_type, function)
            return function

        return register

    def create_inbox(self) -> None:
        """Create the inbox's tables, unless they are there; see `inbox_sql` for an owner of their own.

        Raises ConfigError for a malformed URL, DatabaseUnavailable, also where a right is missing.
        """
        create_inbox(self._database, allow_insecure=self._allow_insecure)

    def run(self) -> None:
        """Consume until SIGTERM, SIGINT or `stop`; servers that are away are waited for.

        Raises ConfigError where a person must change something (no handler, no inbox, no right to read, a wrong
        property, brokers elsewhere without TLS), BrokerRefuses where Kafka ends this member for good.
        """
        if not self._handlers:
            raise ConfigError("there is no handler, so each event would be passed over")
        decoder = Decoder(self._registry)
        with (
            stopping_on_signals(self.stop),
            closing(
                Feed(self._kafka, self._group, self._topics, self._properties, allow_insecure=self._allow_insecure)
            ) as feed,
        ):
            Loop(
                feed,
                self._connect,
                lambda connection: Delivery(connection, self._group, self._handlers, decoder, self._patience),
                Blame(self._patience.attempts),
                self._batch,
                self._keep,
                lambda: self._is_ending,
            ).run()

    def stop(self) -> None:
        """End `run` once the handler that runs now has returned; from any thread, or from a handler."""
        self._is_ending = True

    def dead(self) -> list[DeadLetter]:
        """The group's dead events, in the order of their arrival. Raises DatabaseUnavailable, ConfigError."""
        with self._parked() as parked:
            return parked.dead()

    def retry(self, *numbers: int) -> int:
        """Have dead events tried again, with all attempts before them; returns how many were dead.

        The consumers of the group that run see to it. Raises DatabaseUnavailable, ConfigError.
        """
        with self._parked() as parked:
            return parked.retry(numbers)

    def skip(self, *numbers: int) -> int:
        """Give dead events up, for good: what waits behind them goes on. Returns, and raises, as `retry`."""
        with self._parked() as parked:
            return parked.skip(numbers)

    @contextmanager
    def _parked(self) -> Iterator[ParkedEvents]:
        with closing(self._connect()) as connection:
            yield ParkedEvents(connection, self._group, dead_blocks=self._patience.dead_blocks)

    def _connect(self) -> psycopg.Connection[Any]:
        return connect(self._database, self._group, allow_insecure=self._allow_insecure)
