"""The schema registry: reached, and what of our schemas it has."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.admin.checks.check import Check, note, ok, problem
from bridge.admin.schema_plan import Planner
from bridge.admin.schema_steps import Action, Step
from bridge.configuration.load import Configuration
from bridge.settings import Encoding, RegistrySettings
from bridge.transport import exposed_registry


def check_registry(configuration: Configuration) -> Iterator[Check]:
    """What `bridge schema plan` would do. Raises RegistryUnavailable, ConfigError."""
    routes = configuration.settings.routes
    if not configuration.settings.registry.url and not any(route.encoding is Encoding.AVRO for route in routes):
        yield ok("registry", "none is needed: no route encodes Avro")
        return
    yield way(configuration.settings.registry)
    planner = Planner(configuration, set_levels=False)
    there = len(planner.api.subjects())
    yield ok("registry", f"it answers at {planner.api.place}, with {there} subjects")
    steps = planner.plan().steps
    for step in steps:
        yield from trouble(step, may_register=configuration.settings.registry.register)
    known = sum(step.action is Action.NONE for step in steps)
    yield ok("registry schemas", f"{known} of {len(steps)} schemas are registered as they are in the files")


def way(registry: RegistrySettings) -> Check:
    """How it is reached; https is always verified."""
    name, trouble = "registry tls", exposed_registry(registry.url)
    if trouble is not None:
        return note(name, f"registry.allow_insecure allows what others could use: {trouble.message}", "Write https://")
    if registry.allow_insecure:
        return note(name, "registry.allow_insecure is true, and nothing needs it", "Take it out")
    logins = {"user and password": registry.username, "token": registry.token, "certificate": registry.certificate_file}
    by = ", ".join(login for login, value in logins.items() if value) or "none"
    return ok(name, f"each URL is https, verified, or on this machine; login: {by}")


def trouble(step: Step, *, may_register: bool) -> Iterator[Check]:
    """What stands in the way of one schema."""
    name = f"registry {step.subject}"
    if step.action is Action.REFUSE:
        for finding in step.findings[:3]:
            yield problem(name, f"{finding.message} ({finding.rule})", finding.mend)
    elif step.action is not Action.NONE:
        what = "it is not registered" if step.action is Action.CREATE else "its file is newer than what is registered"
        if may_register:
            yield note(name, f"{what}; a relay registers it when it starts")
        else:
            yield problem(name, f"{what}, and registry.register is false: its topic is held", "bridge schema apply")
    if step.drift is not None:
        yield note(name, f"its compatibility level is {step.drift}", "bridge schema apply --set-levels")
