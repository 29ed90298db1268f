"""The routes of a file, and everything that is wrong with them: one event type twice, topics that are not theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.configuration.knobs import Wrong
from bridge.configuration.mistake import Mistake, Origin
from bridge.configuration.route_keys import READERS, joint_troubles, missing_keys, read_key
from bridge.configuration.subjects import with_subject
from bridge.configuration.unknown import unknown
from bridge.errors import ConfigError
from bridge.settings import Route, SubjectNameStrategy, TopicSettings

Origins = Mapping[str, Origin]
At = Callable[..., Origin]  # the origin of a path in the file

KEYS = tuple(READERS)


def read_routes(rows: object, at: At) -> tuple[list[tuple[int, Route]], list[Mistake]]:
    """The routes that are whole, each with its place in the array, and what is wrong with the others."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return [], [Mistake("routes", at("routes"), "routes must be an array of tables", "Write [[routes]] above each")]
    routes: list[tuple[int, Route]] = []
    mistakes: list[Mistake] = []
    for number, row in enumerate(rows):
        values, wrong = _read_route(number, row, at)
        mistakes += wrong
        if not wrong:
            routes.append((number, Route(**values)))
    return routes, mistakes


def _read_route(number: int, row: Mapping[str, object], at: At) -> tuple[dict[str, Any], list[Mistake]]:
    """The values of its keys, and what is wrong with them."""
    wrong = [unknown(route_key(number, key), key, KEYS, at("routes", number, key)) for key in row if key not in KEYS]
    if not wrong and (missing := missing_keys(row)):  # an unknown key may be meant to be the missing one
        wrong.append(Mistake(f"routes.{number}", at("routes", number), f"the route needs {', '.join(missing)}"))
    values: dict[str, Any] = {}
    for key in [key for key in KEYS if key in row]:
        try:
            values[key] = read_key(key, row[key])
        except Wrong as trouble:
            wrong.append(_mistake(number, key, at, f"the route's {key} {trouble}"))
    if not wrong:
        wrong = [_mistake(number, key, at, f"the route's {key} {trouble}") for key, trouble in joint_troubles(values)]
    return values, wrong


def named_subjects(
    routes: list[tuple[int, Route]], at: At, strategy: SubjectNameStrategy
) -> tuple[list[tuple[int, Route]], list[Mistake]]:
    """The routes with their subjects, and what is wrong with those that need to name one."""
    named: list[tuple[int, Route]] = []
    mistakes: list[Mistake] = []
    for number, route in routes:
        try:
            named.append((number, with_subject(route, strategy)))
        except ConfigError as error:
            mistakes.append(_mistake(number, "subject", at, error.message, error.hint))
    return named, mistakes


def route_key(number: int, key: str) -> str:
    """The full name of a route's key."""
    return f"routes.{number}.{key}"


def route_mistakes(routes: list[tuple[int, Route]], at: At, topics: TopicSettings, origins: Origins) -> list[Mistake]:
    """What is wrong with the routes together, and beside the topics that are bridge's own."""
    return [*_duplicates(routes, at), *_taken(routes, at, topics, origins)]


def folded(topic: str) -> str:
    """Topics for which this is the same cannot be beside each other: Kafka's metrics have '_' for '.'."""
    return topic.replace(".", "_")


def _duplicates(routes: list[tuple[int, Route]], at: At) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for number, route in routes:
        earlier = first.setdefault(route.rule, number)
        if earlier != number:
            kind = "table" if route.table else "event_type"
            there = at("routes", earlier, kind)
            message = f"the {kind.replace('_', ' ')} {getattr(route, kind)!r} has a route already, at {there}"
            yield _mistake(number, kind, at, message, "Events of one kind go to one topic: remove one")


def _taken(routes: list[tuple[int, Route]], at: At, topics: TopicSettings, origins: Origins) -> Iterator[Mistake]:
    """Topics that are bridge's own, or too much like another."""
    own = {topics.control: "topics.control", topics.dead_letters: "topics.dead_letters"}
    taken = {folded(topic): (topic, origins[name]) for topic, name in own.items()}
    for number, route in routes:
        place = at("routes", number, "topic")
        topic, there = taken.setdefault(folded(route.topic), (route.topic, place))
        if route.topic in own:
            message = f"the topic {topic!r} is bridge's own, {own[topic]} ({there})"
            yield _mistake(number, "topic", at, message, "Route events to a topic of their own")
        elif topic != route.topic:
            message = f"Kafka takes no topic {route.topic!r} beside {topic!r} ({there}): '.' and '_' are one to it"
            yield _mistake(number, "topic", at, message, "Choose another name")


def _mistake(number: int, key: str, at: At, message: str, hint: str | None = None) -> Mistake:
    return Mistake(route_key(number, key), at("routes", number, key), message, hint)
