"""What the environment says: BRIDGE_<SECTION>_<KNOB>, Kafka properties, `*_FILE`; and what is not meant for us.

A variable that begins with BRIDGE_ and that nobody knows is a mistake: it was meant to have an effect. Known are our
own that are no settings, and the links to services that Kubernetes puts into each pod: a service called `bridge`, or
`bridge-registry`, must not break the pods beside it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from bridge.configuration.kafka_properties import is_credential
from bridge.configuration.knobs import PROPERTIES, Wrong, from_text, knobs
from bridge.configuration.mistake import Given, Mistake, Origin
from bridge.from_file import FileUnreadable, FromFile

PREFIX = "BRIDGE_"
PROPERTY_PREFIX = "BRIDGE_KAFKA_PROPERTIES_"
FILE = "_FILE"

# Our own that are no settings: for the command line, between our processes, for tests.
OWN = (
    *("BRIDGE_CONFIG", "BRIDGE_HTTP", "BRIDGE_LOG_FORMAT"),
    *("BRIDGE_PARENT_PID", "BRIDGE_FAILPOINT", "BRIDGE_LOCAL_POSTGRES_BIN"),
    *("BRIDGE_WEB_TOKEN", "BRIDGE_WEB_TOKEN_FILE"),
)
TEST_PREFIX = "BRIDGE_TEST_"
SERVICE_LINK = re.compile(
    r"BRIDGE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
SERVICE_PORT = re.compile(r"(tcp|udp|sctp)://.+")  # the value of BRIDGE_PORT: a knob that is called so might be missed


def from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Given], list[Mistake]]:
    """The settings that the environment names, by full name, as their knobs' types; and what is wrong with others."""
    given: dict[str, Given] = {}
    mistakes: list[Mistake] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or _is_not_ours(variable, environ[variable]):
            continue
        name, of_file = _setting(variable)
        origin = Origin(variable)
        if name is None:
            mistakes.append(_unknown(variable))
        elif name in given:
            both = f"{name} is given by {given[name].origin}, too"
            mistakes.append(Mistake(name, origin, both, "Leave one out"))
        else:
            try:
                text = FromFile(environ[variable]) if of_file else environ[variable]
                knob = knobs().get(name)
                given[name] = Given(text if knob is None else from_text(text, knob), origin)
            except (Wrong, FileUnreadable) as wrong:
                mistakes.append(Mistake(name, origin, f"{name} {wrong}"))
    return given, mistakes


def variable_of(name: str) -> str:
    """The variable that gives a setting: BRIDGE_RELAY_BATCH_ROWS for `relay.batch_rows`."""
    return f"{PREFIX}{name.upper().replace('.', '_')}"


def _setting(variable: str) -> tuple[str | None, bool]:
    """The full name of what a variable sets, and whether the variable names a file that holds the value.

    In the names of Kafka's properties each underscore is a dot (and two are one): none that can be set has one.
    """
    for name, knob in knobs().items():
        if variable == variable_of(name):
            return name, False
        if variable == variable_of(name) + FILE and knob.is_secret:
            return name, True
    if not variable.startswith(PROPERTY_PREFIX):
        return None, False
    plain = variable.removesuffix(FILE)
    of_file = plain != variable and is_credential(_property(plain))
    return f"{PROPERTIES}.{_property(plain if of_file else variable)}", of_file


def _property(variable: str) -> str:
    return re.sub("_+", ".", variable.removeprefix(PROPERTY_PREFIX).lower())


def _is_not_ours(variable: str, value: str) -> bool:
    is_port = variable.endswith("_PORT") and SERVICE_PORT.fullmatch(value) is not None
    return (
        variable in OWN or variable.startswith(TEST_PREFIX) or SERVICE_LINK.fullmatch(variable) is not None or is_port
    )


def _unknown(variable: str) -> Mistake:
    files = [variable_of(name) + FILE for name, knob in knobs().items() if knob.is_secret]
    known = [name.removeprefix(PREFIX) for name in (*map(variable_of, knobs()), *files, *OWN)]
    near = difflib.get_close_matches(variable.removeprefix(PREFIX), known, 1)
    hint = f"Did you mean {PREFIX}{near[0]}?" if near else "`bridge config show` lists what there is"
    message = f"there is no such setting, and {PREFIX} is for settings of bridge"
    return Mistake(variable, Origin(variable), message, hint)
