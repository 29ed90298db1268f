"""What is shipped for Prometheus and Grafana: the rules, their own tests, their runbook, and the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.telemetry.catalog import METRICS, Type

CHECKOUT = Path(__file__).parents[2]
RULES = CHECKOUT / "config" / "prometheus" / "alerts.yml"
RULES_TEST = CHECKOUT / "config" / "prometheus" / "alerts_test.yml"
DASHBOARD = CHECKOUT / "config" / "grafana" / "bridge.json"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
SERIES = {
    name
    for metric in METRICS
    for name in (
        [metric.name + suffix for suffix in ("_bucket", "_sum", "_count")]
        if metric.type is Type.HISTOGRAM
        else [metric.name]
    )
}
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"}


def named(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:bridge|process)_\w+", expression))


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing (Debian's package prometheus)")
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", RULES)


def test_the_rules_fire_when_they_should_and_not_else() -> None:
    promtool("test", "rules", RULES_TEST)


def test_each_rule_has_its_tests_silent_and_firing() -> None:
    cases = [case for test in yaml.safe_load(RULES_TEST.read_text())["tests"] for case in test["alert_rule_test"]]
    for rule in ALERTS:
        fires = [bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]]
        assert set(fires) == {False, True}, rule["alert"]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_a_rule_names_what_there_is_and_has_its_section(rule: dict[str, Any]) -> None:
    assert named(rule["expr"]) <= SERIES
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert {"summary", "description", "runbook"} <= rule["annotations"].keys()
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    section = (CHECKOUT / file).read_text().partition(f"\n### {rule['alert']}\n")[2].partition("\n### ")[0]
    assert {"*Means*", "*Look*", "*Do*"} <= set(re.findall(r"\*\w+\*", section))


def test_the_dashboard_asks_for_what_there_is() -> None:
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = {metric for expression in expressions for metric in named(expression)}
    assert asked <= SERIES | PROCESS
    told = {metric.removesuffix("_bucket").removesuffix("_sum") for metric in asked}
    assert {metric.name for metric in METRICS} - told == set()
    assert all('job="$job"' in expression for expression in expressions)


def test_the_dashboard_has_its_place_anywhere() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "job"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["type"] in ("stat", "timeseries", "table")  # what every Grafana has
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
