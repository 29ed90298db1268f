"""`bridge schema` on a real registry: check, plan and apply; nothing half, nothing twice, nothing unseen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fix_command import Done, Run, data_of
from lying_registry import LyingRegistry

TEXT = {"name": "text", "type": "string"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
WITHOUT_DEFAULT = {"name": "note", "type": "string"}


def record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": f"shop.{name}", "fields": list(fields)}


class Shop:
    """A configuration with schemas, whose subjects begin with `unique`; and the registry."""

    def __init__(self, directory: Path, unique: str, registry: str, client: SchemaRegistryClient, run: Run) -> None:
        self.client = client
        self.registry = registry
        self._directory, self._unique, self._run = directory, unique, run
        (directory / "schemas").mkdir()
        self.configure()

    def configure(self, url: str | None = None, **knobs: str) -> None:
        lines = [f"{name} = {json.dumps(value)}" for name, value in {"url": url or self.registry, **knobs}.items()]
        text = "\n".join(['schemas = "schemas"', "[registry]", *lines, ""])
        (self._directory / "bridge.toml").write_text(text)

    def subject(self, name: str) -> str:
        return f"{self._unique}.{name}"

    def write(self, **schemas: dict[str, Any]) -> None:
        for name, schema in schemas.items():
            self.file(name).write_text(json.dumps(schema, indent=2))

    def file(self, name: str) -> Path:
        return self._directory / "schemas" / f"{self.subject(name)}.avsc"

    def read(self, name: str) -> str:
        return self.file(name).read_text()

    def register(self, name: str, schema: dict[str, Any], level: str | None = None) -> None:
        self.client.register_schema(self.subject(name), Schema(json.dumps(schema), "AVRO"))
        if level is not None:
            self.client.set_compatibility(self.subject(name), level)

    def versions(self, *names: str) -> list[list[int]]:
        known = self.client.get_subjects()
        return [self.client.get_versions(self.subject(n)) if self.subject(n) in known else [] for n in names]

    def level(self, name: str) -> str:
        return str(self.client.get_compatibility(self.subject(name)))

    def bridge(self, *arguments: str) -> Done:
        return self._run("schema", *arguments, "--config", str(self._directory / "bridge.toml"))

    def steps(self, *options: str) -> dict[str, dict[str, Any]]:
        plan = data_of(self.bridge("plan", "--json", *options).out)
        return {step["subject"].removeprefix(f"{self._unique}."): step for step in plan["steps"]}


@pytest.fixture
def shop(tmp_path: Path, unique: str, registry: str, run: Run) -> Iterator[Shop]:
    with SchemaRegistryClient({"url": registry, "timeout": 30}) as client:
        yield Shop(tmp_path, unique, registry, client, run)


Guard = Callable[..., LyingRegistry]


@pytest.fixture
def guard(shop: Shop) -> Iterator[Guard]:
    """Puts something in front of the registry that lies about some requests."""
    started: list[LyingRegistry] = []

    def guard(lie: str, name: str, *methods: str) -> LyingRegistry:
        started.append(LyingRegistry(shop.registry, about=shop.subject(name), methods=methods))
        started[-1].begin(lie)
        shop.configure(url=started[-1].url)
        return started[-1]

    yield guard
    for one in started:
        one.close()


def test_a_new_subject_is_a_creation_and_no_error(shop: Shop) -> None:
    shop.write(paid=record("Paid", TEXT))
    done = shop.bridge("check")
    assert (done.code, done.err) == (0, "")
    assert f"{shop.subject('paid')}: new (BACKWARD)" in done.out
    assert "paid: new subject (BACKWARD)" in shop.bridge("plan").out
    assert shop.bridge("apply").code == 0
    assert (shop.versions("paid"), shop.level("paid")) == ([[1]], "BACKWARD")


def test_a_plan_is_a_dry_run_that_checks_and_changes_nothing(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT), "BACKWARD")
    shop.write(paid=record("Paid", TEXT, WITHOUT_DEFAULT), sent=record("Sent", TEXT))
    done = shop.bridge("plan")
    assert done.code == 1
    assert f"{shop.subject('paid')}: refused (BACKWARD, the registry's own check: not compatible)" in done.out
    assert "paid.avsc:9: $.note: reader-field-missing-default: " in done.out
    assert shop.versions("paid", "sent") == [[1], []]


def test_the_registrys_own_check_is_asked(shop: Shop, guard: Guard) -> None:
    """It may know more than we do, and has the last word."""
    shop.register("paid", record("Paid", TEXT), "BACKWARD")
    shop.write(paid=record("Paid", TEXT, NOTE))
    assert shop.steps()["paid"]["registry"] == "compatible"
    guard("not compatible", "paid", "POST /compatibility")
    done = shop.bridge("apply")
    assert done.code == 1
    assert "the registry says that it is not compatible" in done.out
    assert shop.versions("paid") == [[1]]


def test_a_schema_that_the_registry_calls_invalid_is_refused_before_anything_is_applied(
    shop: Shop, guard: Guard
) -> None:
    shop.register("paid", record("Paid", TEXT), "BACKWARD")
    shop.write(paid=record("Paid", TEXT, NOTE), created=record("Created", TEXT))
    guard("422", "paid", "POST /compatibility")
    done = shop.bridge("apply")
    assert (done.code, "the registry says that it is not valid Avro" in done.out) == (1, True)
    assert shop.versions("paid", "created") == [[1], []]


def test_apply_changes_all_or_nothing(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT), "BACKWARD")
    shop.register("sent", record("Sent", TEXT), "BACKWARD")
    shop.write(
        created=record("Created", TEXT), paid=record("Paid", TEXT, NOTE), sent=record("Sent", TEXT, WITHOUT_DEFAULT)
    )
    done = shop.bridge("apply")
    assert done.code == 1
    assert "nothing will be changed" in done.out
    assert shop.versions("created", "paid", "sent") == [[], [1], [1]]
    shop.write(sent=record("Sent", TEXT, NOTE))
    assert shop.bridge("apply").code == 0
    assert shop.versions("created", "paid", "sent") == [[1], [1, 2], [1, 2]]


@pytest.mark.parametrize("wrong", ["{", '{"type": "record"}'])
def test_nothing_is_applied_where_a_file_or_the_configuration_is_wrong(shop: Shop, tmp_path: Path, wrong: str) -> None:
    shop.write(paid=record("Paid", TEXT))
    file = tmp_path / "schemas" / "broken.avsc"
    file.write_text(wrong)
    assert shop.bridge("plan").code == shop.bridge("apply").code == 4
    file.unlink()
    shop.configure(no_such_knob="x")
    assert shop.bridge("apply").code == 4
    assert shop.versions("paid") == [[]]


def test_apply_is_idempotent_and_says_what_it_did(shop: Shop) -> None:
    shop.write(paid=record("Paid", TEXT))
    done = shop.bridge("apply")
    assert f"{shop.subject('paid')}: its level is BACKWARD\n" in done.out
    assert f"{shop.subject('paid')}: version 1 is registered, with the id " in done.out
    done = shop.bridge("apply")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(": nothing to change\n")
    assert data_of(shop.bridge("apply", "--json").out)["done"] == []
    assert shop.versions("paid") == [[1]]


def test_what_differs_in_text_alone_is_no_new_version(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT))
    shop.write(
        paid={"doc": "It is.", "fields": [{"doc": "x", **TEXT}], "name": "Paid", "namespace": "shop", "type": "record"}
    )
    assert shop.steps()["paid"]["action"] == "none"
    assert '"outcome": "unchanged"' in shop.bridge("check", "--json").out


def test_references_are_planned_and_applied_in_their_order(shop: Shop) -> None:
    order = record("Order", {"name": "total", "type": "shop.Total"})
    shop.write(order=order, total=record("Total", TEXT))
    assert list(shop.steps()) == ["total", "order"]
    assert shop.bridge("apply").code == 0
    assert shop.bridge("apply").out.endswith(": nothing to change\n")
    shop.write(total=record("Total", TEXT, NOTE))
    assert {name: (step["action"], step["version"]) for name, step in shop.steps().items()} == {
        "total": ("version", 2),
        "order": ("version", 2),
    }
    assert shop.bridge("apply").code == 0
    references = shop.client.get_latest_version(shop.subject("order")).schema.references or []
    assert [(one.name, one.subject, one.version) for one in references] == [("shop.Total", shop.subject("total"), 2)]
    shop.write(total=record("Total", TEXT, NOTE, WITHOUT_DEFAULT | {"name": "more"}))
    done = shop.bridge("check")
    assert done.code == 1
    assert "order: not compatible" in done.out
    assert "$.total.more: reader-field-missing-default" in done.out


def test_what_was_done_is_said_when_the_registry_goes_away_half_way_and_the_next_apply_finishes_it(
    shop: Shop, guard: Guard
) -> None:
    shop.write(a=record("A", TEXT), b=record("B", TEXT), c=record("C", TEXT))
    guarded = guard("503 in HTML", "b", "POST /subjects")
    done = shop.bridge("apply")
    assert done.code == 3
    assert f"{shop.subject('a')}: version 1 is registered" in done.out
    assert "what is printed was done" in done.err
    assert shop.versions("a", "b", "c") == [[1], [], []]
    assert data_of(shop.bridge("plan", "--json").out)["ok"]
    guarded.end()
    done = shop.bridge("apply")
    assert done.code == 0
    assert shop.subject("a") not in done.out
    assert shop.versions("a", "b", "c") == [[1], [1], [1]]


def test_another_level_is_shown_and_left_or_set_where_that_is_asked_for(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT), "FULL")
    shop.write(paid=record("Paid", TEXT))
    done = shop.bridge("apply")
    assert done.code == 0
    assert "its level is FULL, and registry.compatibility another: --set-levels changes it" in done.out
    assert shop.level("paid") == "FULL"
    assert shop.steps("--set-levels")["paid"]["set_level"] == "BACKWARD"
    assert shop.level("paid") == "FULL"
    assert shop.bridge("apply", "--set-levels").code == 0
    assert shop.level("paid") == "BACKWARD"


def test_the_subjects_own_level_is_what_counts(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT), "FORWARD")
    shop.write(paid=record("Paid", NOTE))
    done = shop.bridge("check")
    assert (done.code, "paid: not compatible (FORWARD)" in done.out) == (1, True)
    assert shop.bridge("check", "--level", "BACKWARD").code == 0
    assert shop.bridge("plan").code == 1


def test_all_versions_count_where_the_level_is_transitive(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT))
    shop.register("paid", record("Paid", TEXT | {"default": ""}))
    shop.register("paid", record("Paid"), "BACKWARD")
    shop.write(paid=record("Paid", {"name": "text", "type": "int", "default": 0}))
    assert shop.bridge("check").code == 0
    assert shop.bridge("check", "--level", "BACKWARD_TRANSITIVE").code == 1
    shop.client.set_compatibility(shop.subject("paid"), "BACKWARD_TRANSITIVE")
    assert shop.bridge("plan").code == 1


def test_a_level_that_may_not_be_set_is_said_and_stops_nothing(shop: Shop, guard: Guard) -> None:
    shop.write(paid=record("Paid", TEXT))
    guard("403", "paid", "PUT /config")
    done = shop.bridge("apply")
    assert (done.code, "its level is not set: " in done.out) == (0, True)
    assert shop.versions("paid") == [[1]]


def test_diff_tells_what_differs_in_meaning(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT))
    shop.write(paid=record("Paid", TEXT))
    assert shop.bridge("diff").code == 0
    shop.write(paid=record("Paid", TEXT | {"doc": "Said."}, NOTE), sent=record("Sent", TEXT))
    done = shop.bridge("diff")
    assert done.code == 1
    assert f"{shop.subject('paid')}: differs from {shop.subject('paid')} version 1" in done.out
    assert "~ $.note: " in done.out
    assert "# $.text: " in done.out
    assert f"{shop.subject('sent')}: only here" in done.out
    assert shop.bridge("diff", "--against", "no such revision").code == 2


def test_pull_writes_what_the_registry_has_and_what_that_uses(shop: Shop) -> None:
    order = record("Order", {"name": "total", "type": "shop.Total"})
    shop.write(order=order, total=record("Total", TEXT))
    assert shop.bridge("apply").code == 0
    for name in ("order", "total"):
        shop.file(name).unlink()
    done = shop.bridge("pull", shop.subject("order"))
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    assert shop.read("order").endswith("  ]\n}\n")
    assert shop.bridge("diff").code == 0
    shop.write(order=order)
    before = shop.read("order")
    assert "Nothing to write" in shop.bridge("pull").out
    assert shop.read("order") == before


def test_pull_overwrites_nothing_that_differs_unless_it_is_told_to(shop: Shop) -> None:
    shop.register("paid", record("Paid", TEXT))
    shop.register("sent", record("Sent", TEXT))
    shop.write(paid=record("Paid", TEXT, NOTE))
    done = shop.bridge("pull", shop.subject("paid"), shop.subject("sent"))
    assert (done.code, done.out) == (1, "")
    assert "nothing was written" in done.err
    assert (json.loads(shop.read("paid")), shop.file("sent").exists()) == (record("Paid", TEXT, NOTE), False)
    assert shop.bridge("pull", shop.subject("paid"), shop.subject("sent"), "--force").code == 0
    assert shop.bridge("diff").code == 0
    assert shop.bridge("pull", shop.subject("none")).code == 1
