"""Records from Kafka, in the order of each partition, until it is said that they are done.

Offsets are committed behind the database's transactions, so Kafka may send again what was handled, and never omits what
was not. Another consumer of the group may get a partition whenever Kafka is asked for more: what was not done of it is
forgotten then, and what was is committed first.

Where a partition goes on is the database's word: it may have lost what Kafka's offsets say was done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from bridge.consumer.message import Arrived, Partition
from bridge.consumer.safety import require_safe_brokers
from bridge.errors import BridgeError, BrokerRefuses, ConfigError
from bridge.kafka.headers import headers_of
from bridge.log_fields import about
from bridge.text import printable

logger = logging.getLogger("bridge.consumer")
librdkafka = logging.getLogger("bridge.consumer.librdkafka")

STARTED = "consuming %s, as a member of the group %s"
SILENT = "Kafka does not answer, so the group waits for the end of this consumer's session"
LOST = "these partitions were lost, for Kafka did not hear from this consumer in time: %s"
BEHIND = "the database is behind Kafka's offsets, as after a restore: %s[%d] goes on at %d, not at %d"
GONE = "Kafka has removed records of %s[%d] before they came to this group, at the offsets %d to %d"
MOVED = about("partitions-moved")
librdkafka.setLevel(logging.CRITICAL)  # it says every few milliseconds that a broker is away; we say it once

OURS = {
    "isolation.level": "read_committed",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
}
DEFAULTS = {
    "auto.offset.reset": "earliest",  # nothing is left out; the inbox knows what comes again
    "allow.auto.create.topics": "false",
    "reconnect.backoff.max.ms": "1000",
    "queued.max.messages.kbytes": "16384",  # of each partition, ahead of what is handled
}
BEGINNINGS = ("earliest", "beginning", "smallest")  # what librdkafka calls it
# Partitions that stay are not interrupted; the newer protocol does so by itself.
CLASSIC = {"partition.assignment.strategy": "cooperative-sticky"}
STEP_SECONDS = 0.2  # the longest that Kafka is waited for at a time, so that a signal is answered
LIST_SECONDS = 1.0  # short, so that a signal is answered; it is asked for again
CLOSE_SECONDS = 5.0  # for the last commit and the leave; a broker that is there takes milliseconds
HEARD_SECONDS = 1.0  # while records are left that were fetched, Kafka hears from us so often
SHOWN = 20  # partitions in one line of the log
REFUSALS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


class Feed:
    """A member of a consumer group."""

    def __init__(
        self, kafka: str, group: str, topics: Sequence[str], properties: Mapping[str, str], *, allow_insecure: bool
    ) -> None:
        """`properties` are librdkafka's. Raises ConfigError for one that it does not take, or that is ours to set."""
        if ours := properties.keys() & {*OURS, "group.id", "bootstrap.servers"}:
            raise ConfigError(f"the property {sorted(ours)[0]} is not to be set: what a consumer promises rests on it")
        defaults = DEFAULTS if properties.get("group.protocol") == "consumer" else DEFAULTS | CLASSIC
        settings: dict[str, Any] = {**defaults, **properties, **OURS, "bootstrap.servers": kafka, "group.id": group}
        self._records: deque[Arrived] = deque()  # fetched, and not done
        self._done: dict[Partition, int] = {}  # what to commit: offsets behind the last that is done
        self._doubted: set[Partition] = set()  # where the database is in them has still to be asked
        self._first = 0 if settings["auto.offset.reset"] in BEGINNINGS else None  # of what Kafka has no offset for
        self._said: set[int] = set()
        self._polled_at = 0.0
        self._topics, self._properties, self._allow_insecure = list(topics), properties, allow_insecure
        self._is_member = False
        try:
            self._kafka = Consumer(settings | {"logger": librdkafka, "error_cb": self._note, "on_commit": _committed})
        except KafkaException as error:
            raise ConfigError(f"the Kafka settings are wrong: {error.args[0].str()}") from error
        logger.info(STARTED, ", ".join(topics), printable(group), extra=about("consumer-started"))

    def next(self, most: int) -> list[Arrived]:
        """The first ones that are not done, after STEP_SECONDS at most; the same ones again until `done`.

        Raises ConfigError where Kafka does not let us read, or has brokers elsewhere without TLS; BrokerRefuses where
        the consumer cannot go on.
        """
        if not self._is_member:
            self._join()
        if not self._records:
            self._polled_at = time.monotonic()
            with self._calling():
                if (first := self._kafka.poll(STEP_SECONDS)) is not None:
                    self._take([first])  # before more is asked for: its partition may go to another consumer meanwhile
                    if most > 1:
                        self._take(self._kafka.consume(most - 1, 0))
        elif self._doubted:
            self._poll_paused(STEP_SECONDS)
            self._resume()
        elif time.monotonic() > self._polled_at + HEARD_SECONDS:  # or the group would take our partitions from us
            self._poll_paused(0.0)
            self._resume()
        return [] if self._doubted else [self._records[n] for n in range(min(most, len(self._records)))]

    def done(self, count: int) -> None:
        """The first `count` are accounted for in the database, durably."""
        behind = {}
        for _ in range(count):
            record = self._records.popleft()
            if record.offset > self._done.get(record.part, record.offset):  # as behind each end of a transaction, too
                self._look_for_removed(record, self._done[record.part])
            behind[record.part] = self._done[record.part] = record.offset + 1
        if behind:
            with self._calling():
                self._kafka.commit(offsets=_places(behind), asynchronous=True)

    def doubt(self) -> None:
        """The database may be another one than before, which has less."""
        with self._calling():
            self._doubted = _parts(self._kafka.assignment())

    def go_back(self, progress: Callable[[Mapping[Partition, int]], Mapping[Partition, int]]) -> None:
        """Where partitions are new, or in doubt: go back to where the database is; until then no records come.

        Those of which Kafka has a lower offset, or none, go on as it says: somebody wants them again, or they are new.
        `progress` is told where that is, and tells where the database is. Raises as `next`, and what it raises.
        """
        if not self._doubted:
            return
        with self._calling():
            asked = [TopicPartition(*part) for part in self._doubted - self._done.keys()]
            for found in self._kafka.committed(asked, LIST_SECONDS) if asked else []:
                if found.error is not None:
                    raise KafkaException(found.error)
                if found.offset >= 0:
                    self._done[found.topic, found.partition] = found.offset
            begins = {part: self._done.get(part, self._first) for part in self._doubted}
            offsets = progress({part: offset for part, offset in begins.items() if offset is not None})
            for part in list(self._doubted):
                offset = offsets.get(part, -1)
                if not 0 <= offset < self._done.get(part, 0) or self._seeks(part, offset):
                    self._doubted.remove(part)

    def wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Stay in the group, without asking for more records, for that long, or until `is_over()`."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not is_over():
            self._poll_paused(min(left, STEP_SECONDS))
        self._resume()

    def close(self) -> None:
        """Commit, and leave the group, so that others go on at once; where Kafka is away, without that."""
        thread = threading.Thread(target=self._close, daemon=True)  # librdkafka waits for an answer for minutes
        thread.start()
        thread.join(CLOSE_SECONDS)
        if thread.is_alive():
            logger.warning(SILENT, extra=about("kafka-trouble"))

    def _join(self) -> None:
        """Once it is known where the brokers are: a login would be told to those that the first ones name."""
        if not self._allow_insecure:
            try:
                found = self._kafka.list_topics(timeout=LIST_SECONDS)
            except KafkaException:  # away: `_note` hears why
                return
            require_safe_brokers((str(broker.host) for broker in found.brokers.values()), self._properties)
        with self._calling():
            self._kafka.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
            self._is_member = True

    def _close(self) -> None:
        with suppress(KafkaException, BridgeError):  # then Kafka sends again what the inbox knows
            self._commit(self._done)
        self._done.clear()  # or it would be tried again, as the partitions are given up
        with suppress(KafkaException, BridgeError):
            self._kafka.close()

    def _poll_paused(self, seconds: float) -> None:
        """Hear of what the group does, without asking for more records."""
        self._polled_at = time.monotonic()
        with self._calling():
            self._kafka.pause(self._kafka.assignment())  # each time: some may be new
            if (message := self._kafka.poll(seconds)) is not None:
                self._take([message])

    def _resume(self) -> None:
        with self._calling():
            self._kafka.resume(self._kafka.assignment())

    def _seeks(self, part: Partition, offset: int) -> bool:
        """Whether this could be said to Kafka's client, which must have begun with the partition."""
        try:
            self._kafka.seek(TopicPartition(*part, offset))
        except KafkaException as error:
            if error.args[0].code() != KafkaError._STATE:
                raise
            return False
        logger.warning(BEHIND, *part, offset, self._done[part], extra=about("database-behind", topic=part[0]))
        self._records = deque(record for record in self._records if record.part != part)
        self._done[part] = offset
        return True

    def _look_for_removed(self, record: Arrived, expected: int) -> None:
        """Between the last record and this one; offsets without a record are usual, where a log begins is not."""
        with self._calling():
            begins, _ = self._kafka.get_watermark_offsets(TopicPartition(*record.part), cached=True)
            if expected < begins <= record.offset:
                what = about("records-removed", topic=record.topic)
                logger.error(GONE, *record.part, expected, begins - 1, extra=what)

    def _take(self, messages: Sequence[KafkaMessage]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                self._note(error)
            else:
                self._said.clear()
                self._records.append(Arrived.of(message, headers_of(message)))

    def _assigned(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        logger.info("these partitions are this consumer's now: %s", _named(partitions), extra=MOVED)
        self._doubted |= _parts(partitions)

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        logger.info("these partitions go to other consumers: %s", _named(partitions), extra=MOVED)
        gone = _parts(partitions)
        with suppress(KafkaException):  # the next owner finds in the inbox what we did
            self._commit({place: offset for place, offset in self._done.items() if place in gone})
        self._forget(gone)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        logger.warning(LOST, _named(partitions), extra=MOVED)
        self._forget(_parts(partitions))

    def _forget(self, gone: set[Partition]) -> None:
        with suppress(KafkaException):
            self._kafka.resume([TopicPartition(*part) for part in gone])  # or, once back, they would still be paused
        self._records = deque(record for record in self._records if record.part not in gone)
        self._doubted -= gone
        for place in gone:
            self._done.pop(place, None)

    def _commit(self, behind: Mapping[Partition, int]) -> None:
        if behind:
            self._kafka.commit(offsets=_places(behind), asynchronous=False)

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """What a call of librdkafka's raises is an answer like those that come as messages."""
        try:
            yield
        except KafkaException as error:
            self._note(error.args[0])

    def _note(self, error: KafkaError) -> None:
        """Most passes by itself. Raises ConfigError, BrokerRefuses for what does not."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise BrokerRefuses(f"Kafka does not let this consumer go on: {error.str()}")
        if error.code() in REFUSALS:
            raise ConfigError(f"Kafka does not let us read: {error.str()}", hint="Grant READ on topics and group")
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            logger.warning(
                "a handler took longer than max.poll.interval.ms: the partitions went to other consumers",
                extra=about("handler-too-slow"),
            )
        elif error.code() not in self._said:
            self._said.add(error.code())
            logger.warning("Kafka: %s", " ".join(error.str().split()), extra=about("kafka-trouble"))


def _parts(places: Sequence[TopicPartition]) -> set[Partition]:
    return {(place.topic, place.partition) for place in places}


def _places(behind: Mapping[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in behind.items()]


def _named(partitions: Sequence[TopicPartition]) -> str:
    shown = [f"{place.topic}[{place.partition}]" for place in partitions[:SHOWN]]
    return ", ".join(shown) + (f" and {len(partitions) - SHOWN} more" if len(partitions) > SHOWN else "")


def _committed(error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
    """An offset that could not be committed now is committed with the next, or known to the inbox."""
    if error is not None and error.code() != KafkaError._NO_OFFSET:
        logger.debug("Kafka did not take offsets: %s", error.str(), extra=about("offsets-not-taken"))
