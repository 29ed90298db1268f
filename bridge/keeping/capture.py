"""Says what is wrong with the tracking of tables, where it is kept; each relay looks, too, and oftener."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.keeping.step import House, Outcome, Step, attempt
from bridge.postgres.tracking import Finding, refresh_tracking, tracking_report


def examine_capture(house: House) -> Iterator[Step]:
    """The job `capture`: what `bridge doctor --capture` says."""
    found: list[Finding] = []

    def do() -> str:
        refresh_tracking(house.conn)
        found.extend(tracking_report(house.conn))
        return ""

    step = attempt(house, "examine_capture", "bridge.tracked_table", do)
    if step.outcome is not Outcome.OK:
        yield step
    for finding in found:
        if finding.is_problem:
            yield Step("examine_capture", finding.relation, Outcome.ERROR, str(finding))
