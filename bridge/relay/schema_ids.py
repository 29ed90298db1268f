"""Under which ids schemas are published: those that the registry gives, or, while it is away, those that it gave."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import ConfigError, DatabaseUnavailable, RegistryUnavailable, TopicHeld
from bridge.log_fields import about
from bridge.postgres.connection import connect
from bridge.postgres.schema_ids import Key, keep_schema_ids
from bridge.registry.client import RegistryClient
from bridge.settings import Settings
from bridge.telemetry.activity import REGISTRY, Activities
from bridge.text import place, printable

logger = logging.getLogger(__name__)

GONE = "the schema registry does not have %s under the id that it gave"
LOOK_SECONDS = 1.0  # how long an id may be used after the registry came back with another one
ASK_SECONDS = 60.0  # after which it is asked for one id again, whether or not anything was wrong: it may be another one
END_SECONDS = 1.0  # to wait at the end for a look that is under way


class SchemaIds:
    """Asks the registry; safe to share between threads. A thread of its own looks at what is unsure, or to be kept."""

    def __init__(self, settings: Settings, registry: RegistryClient, kept: Mapping[Key, int]) -> None:
        """`kept` are the ids that this registry gave before."""
        self.forget: Callable[[], None] = lambda: None  # called when an id that was used is not the registry's
        self.counts = registry.counts
        self._settings = settings
        self._registry = registry
        self._ask = registry.schema_id
        self._kept = dict(kept)
        self._unsure: dict[Key, AvroSchema] = {}  # that are published under ids that it gave before
        self._new: dict[Key, int] = {}  # to be written down
        self._used: dict[str, AvroSchema] = {}  # by subject, in the order in which they were first asked for
        self._questions = 0
        self._probes = 0
        self._next_question = time.monotonic() + ASK_SECONDS
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None

    def schema_id(self, schema: AvroSchema) -> int:
        """The registry's id for a schema, or, while that is away, the one that it gave before.

        Raises RegistryUnavailable where there is none, a TopicHeld, and ConfigError.
        """
        key = (schema.subject, schema.fingerprint)
        with self._lock:
            self._used[schema.subject] = schema
            if self._unsure and key in self._kept:  # it was away a moment ago: each try may take a whole time-out
                self._unsure[key] = schema
                return self._kept[key]
        try:
            found = self._ask(schema)
        except RegistryUnavailable as error:
            with self._lock:
                if key not in self._kept:
                    raise
                if not self._unsure:
                    text = "%s. Meanwhile schemas have the ids that it gave before"
                    logger.warning(text, printable(error.message), extra=about("former-schema-ids"))
                self._unsure[key] = schema
                return self._kept[key]
        if self._found(key, found):  # before `_check()`, which finds nothing new about it any more
            self.forget()
        return found

    def watch(self, activities: Activities) -> None:
        """Let it be known when a thread waits for the registry."""
        self._ask = activities.around("asks for a schema's id", REGISTRY, self._ask)

    def take_new(self) -> dict[Key, int]:
        """The ids that are not written down yet; whoever takes them does that."""
        with self._lock:
            new, self._new = self._new, {}
        return new

    def start(self) -> None:
        """Look again and again, in a thread, until it is asked to end."""
        self._thread = threading.Thread(target=self._run, name="schema ids", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop looking; a look that takes long is left to end with the process."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self._safely(self._ask_again)
            self._safely(self._check)
            self._safely(self._keep)
        self._safely(self._keep)  # what was had within the last second

    def _safely(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:
            self._failed(f"unforeseen: {place(error)}. Please report it")

    def _ask_again(self) -> None:
        """Now and then, about one schema: a registry that was replaced meanwhile would go unnoticed."""
        if time.monotonic() < self._next_question:
            return
        self._next_question = time.monotonic() + ASK_SECONDS
        with self._lock:
            sure = [one for one in self._used.values() if (one.subject, one.fingerprint) not in self._unsure]
            if not sure:
                return
            schema = sure[self._questions % len(sure)]
            self._questions += 1
        try:
            if self._registry.still_has(schema):
                return
        except (RegistryUnavailable, ConfigError):  # that says nothing about ids
            return
        logger.warning(GONE, printable(schema.subject), extra=about("schema-id-changed"))
        with self._lock:  # all in their order: a registry that was wiped gives the same ids again
            used = {(one.subject, one.fingerprint): one for one in self._used.values()}
            self._unsure |= {key: one for key, one in used.items() if key in self._kept}

    def _check(self) -> None:
        """Ask for what is unsure. While the registry is away that stays so; what it says otherwise counts.

        Where it says nothing sensible about the first, one of the others tells whether that is so of all.
        """
        with self._lock:
            left = list(self._unsure.items())
        is_other = is_doubtful = answers = False
        while left:
            is_probe = is_doubtful and not answers
            key, schema = left.pop(self._probes % len(left) if is_probe else 0)  # else all in their order
            try:
                found = self._ask(schema)
            except (RegistryUnavailable, ConfigError):  # that says nothing about ids
                if is_probe:
                    self._probes += 1
                    break  # it is away, or refuses the login
                is_doubtful = True
                continue
            except TopicHeld:  # it has lost the schema, and the next event is told why it does not get it again
                is_other = True
                with self._lock:
                    del self._kept[key]
            else:
                is_other = self._found(key, found) or is_other
            answers = True
            with self._lock:
                del self._unsure[key]
                if not self._unsure:
                    logger.info("the schema registry is back", extra=about("server-back"))
        if is_other:
            self.forget()

    def _found(self, key: Key, schema_id: int) -> bool:
        """Take note of what the registry gives; whether that is another id than it gave before."""
        with self._lock:
            former = self._kept.get(key)
            if former == schema_id:
                return False
            self._kept[key] = self._new[key] = schema_id
        if former is None:
            return False
        logger.warning(
            "the schema registry gives the schema of %s the id %d, and gave it %d before: it has lost what it had, or "
            "is another one. New records have the new id; who reads older ones needs what it had",
            printable(key[0]), schema_id, former, extra=about("schema-id-changed"),
        )  # fmt: skip
        return True

    def _keep(self) -> None:
        new = self.take_new()
        if not new:
            return
        name = f"{self._settings.relay.name} schema ids"
        try:
            with connect(self._settings.database, application_name=name) as conn:
                keep_schema_ids(conn, self._settings.registry.url, new)
        except DatabaseUnavailable as error:
            self._failed(str(error))
            with self._lock:
                self._new = new | self._new
        else:
            self._trouble = None

    def _failed(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("schema ids are not kept: %s", printable(trouble), extra=about("schema-ids-not-kept"))
        self._trouble = trouble
