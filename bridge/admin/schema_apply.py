"""Carries out a plan of `bridge schema plan`: all of it, or, where the registry goes away, so far that it can go on."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.schema_plan import Planner
from bridge.admin.schema_steps import Action, Plan, Step
from bridge.encoding.avro.schema import AvroSchema
from bridge.errors import SchemaRefused
from bridge.registry.history import History
from bridge.registry.verdict import same_meaning


def apply_plan(planner: Planner, plan: Plan) -> Iterator[str]:
    """Do each step of a plan in which nothing is refused, and say what was done, thing by thing.

    Raises RegistryUnavailable, ConfigError, and a TopicHeld where the registry refuses all the same: what was done by
    then stays, and a plan that is made anew goes on behind it.
    """
    for step in plan.steps:
        if step.set_level is not None:
            yield from _set_level(planner, step)
        if step.action in (Action.CREATE, Action.VERSION):
            schema = planner.schemas.schemas[step.subject]
            number, schema_id = _registered(planner, schema)
            planner.numbers[step.subject] = number
            yield f"{step.subject}: version {number} is registered, with the id {schema_id}"


def _set_level(planner: Planner, step: Step) -> Iterator[str]:
    try:
        planner.api.set_level(step.subject, str(step.set_level))
    except SchemaRefused as error:  # others may keep the levels; the schema was checked for ours
        yield f"{step.subject}: its level is not set: {error.message}"
    else:
        yield f"{step.subject}: its level is {step.set_level}"


def _registered(planner: Planner, schema: AvroSchema) -> tuple[int, int]:
    """Version and id, under which the registry must have what we gave it."""
    api, references = planner.api, planner.references(schema) or ()
    found = api.register(schema.subject, schema.text, references)
    if found.number is None:  # Apicurio tells the id alone
        found = api.look_up(schema.subject, schema.text, references) or found
    registered = api.by_id(found.schema_id, schema.subject)
    document = None if registered is None else History(api).whole(registered)
    if found.number is None or not same_meaning(schema, document, for_readers=False):
        raise api.wrong(schema.subject, f"it does not have what it has just taken under the id {found.schema_id}")
    return found.number, found.schema_id
