"""Whether an alert rule of config/prometheus/alerts.yml would fire by one page of metrics; for those that compare one
metric with a number, which needs no history. Promtool tests all of them (alerts_test.yml).
"""

from __future__ import annotations

import operator
import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

RULES = Path(__file__).parents[1] / "config" / "prometheus" / "alerts.yml"
FORM = re.compile(r'(?:max|min) by \([^)]*\) \((\w+)(?:\{(\w+)(=|!=)"([^"]*)"\})?\) (>=|==|>|<) ([0-9.]+)')
COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "==": operator.eq}


def expression(alert: str) -> str:
    """As it stands in the file."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    (found,) = [rule["expr"] for group in groups for rule in group["rules"] if rule["alert"] == alert]
    return str(found)


def metric_of(alert: str) -> str:
    """The metric that it looks at."""
    match = FORM.fullmatch(expression(alert))
    assert match is not None, f"{alert} compares more than one metric with a number"
    return match[1]


def fires(alert: str, page: str) -> bool:
    """Whether any series of the metric is beyond the number; what it waits for before it tells is not waited for."""
    match = FORM.fullmatch(expression(alert))
    assert match is not None, f"{alert} compares more than one metric with a number"
    name, label, relation, value, sign, bound = match.groups()
    samples = [one for family in text_string_to_metric_families(page) for one in family.samples if one.name == name]
    if label is not None:
        samples = [one for one in samples if (one.labels[label] == value) is (relation == "=")]
    return any(COMPARE[sign](one.value, float(bound)) for one in samples)
