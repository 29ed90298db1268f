"""The routes of a file, and everything that is wrong with them: one event type twice, topics that are not theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from bridge.configuration.knobs import kind_name, shown
from bridge.configuration.mistake import Mistake, Origin
from bridge.configuration.unknown import unknown
from bridge.settings import Route, TopicSettings

Origins = Mapping[str, Origin]
At = Callable[..., Origin]  # the origin of a path in the file

KEYS = tuple(knob.name for knob in fields(Route))
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
MAX_EVENT_TYPE = 128  # characters, in bridge.event_queue


def read_routes(rows: object, at: At) -> tuple[list[tuple[int, Route]], list[Mistake]]:
    """The routes that are whole, each with its place in the array, and what is wrong with the others."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return [], [Mistake("routes", at("routes"), "routes must be an array of tables", "Write [[routes]] above each")]
    routes: list[tuple[int, Route]] = []
    mistakes: list[Mistake] = []
    for number, row in enumerate(rows):
        wrong = [
            unknown(route_key(number, key), key, KEYS, at("routes", number, key)) for key in row if key not in KEYS
        ]
        missing = [key for key in KEYS if key not in row]
        if missing and not wrong:  # an unknown key may be meant to be the missing one
            needs = f"the route needs {', '.join(missing)}"
            wrong.append(Mistake(f"routes.{number}", at("routes", number), needs))
        wrong += [
            Mistake(route_key(number, key), at("routes", number, key), f"the route's {key} {trouble}")
            for key in KEYS
            if key in row and (trouble := _text_trouble(key, row[key]))
        ]
        mistakes += wrong
        if not missing and not wrong:
            routes.append((number, Route(**row)))
    return routes, mistakes


def route_key(number: int, key: str) -> str:
    """The full name of a route's key."""
    return f"routes.{number}.{key}"


def route_mistakes(routes: list[tuple[int, Route]], at: At, topics: TopicSettings, origins: Origins) -> list[Mistake]:
    """What is wrong with the routes together, and beside the topics that are bridge's own."""
    return [*_duplicates(routes, at), *_taken(routes, at, topics, origins)]


def topic_trouble(name: str) -> str | None:
    """Why Kafka would not take a topic's name, if it would not."""
    if not TOPIC.fullmatch(name) or name in (".", ".."):
        return f"must be 1 to 249 letters, digits, '.', '_' or '-' (Kafka), not {shown(name)}"
    return f"must not begin with __, as Kafka's own topics do, not {name!r}" if name.startswith("__") else None


def folded(topic: str) -> str:
    """Topics for which this is the same cannot be beside each other: Kafka's metrics have '_' for '.'."""
    return topic.replace(".", "_")


def _text_trouble(key: str, value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {kind_name(value)}"
    if key == "topic":
        return topic_trouble(value)
    if not value or not value.isprintable():
        return f"must be printable text, not {shown(value)}"
    if key == "event_type" and len(value) > MAX_EVENT_TYPE:
        return f"must have {MAX_EVENT_TYPE} characters at most, as in the database, not {len(value)}"
    return None


def _duplicates(routes: list[tuple[int, Route]], at: At) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for number, route in routes:
        earlier = first.setdefault(route.event_type, number)
        if earlier != number:
            there = at("routes", earlier, "event_type")
            message = f"the event type {route.event_type!r} has a route already, at {there}"
            yield _mistake(number, "event_type", at, message, "Events of one type go to one topic: remove one")


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
