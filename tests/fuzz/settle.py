"""The end of a run: every event has its decision, and auditor, `bridge verify` and `bridge status` agree."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from fuzz.report import Report
from fuzz.stage import Stage
from fuzz.watch import leaks, outputs

REST_SECONDS = 60.0  # without any progress
GIVE_UP = "fuzz: given up"
LEFT = """select id::text, event_type, left(event_key, 40) from bridge.event_queue where status = 'PENDING' union all
          select id::text, 'history', left(entity_id, 40) from bridge.entity_events where status = 'PENDING'"""


def decide(stage: Stage) -> None:
    """What a person does about dead events."""
    answer = stage.random.choice([["retry", "--all", "--yes"], ["skip", "--all", "--yes", "--reason", GIVE_UP]])
    stage.site.bridge("dead", *answer)


def come_to_rest(stage: Stage, report: Report) -> None:
    """With everything healed and all dead events given up, nothing is left without a decision."""
    least, ends = sys.maxsize, time.monotonic() + REST_SECONDS
    while (pending := stage.site.pending()) and time.monotonic() < ends:
        if pending < least:
            least, ends = pending, time.monotonic() + REST_SECONDS
        report.note_all(stage.revive())
        stage.site.bridge("dead", "skip", "--all", "--yes", "--reason", GIVE_UP)
        time.sleep(1)
    with stage.site.connect() as db:
        left = db.execute(LEFT).fetchall()
    if left:
        report.note(f"no decision about {len(left)} events: {left[:5]}")
    stage.site.bridge("dead", "skip", "--all", "--yes", "--reason", GIVE_UP)  # what died last
    ends = time.monotonic() + REST_SECONDS  # what a relay waits for is known with its next sign of life
    while True:
        now = stage.site.bridge("status", environment=stage.site.environment)
        if (now.returncode == 0) == (stage.site.pending() == 0):
            break
        if time.monotonic() > ends:
            report.note(f"status ends with {now.returncode}: {now.stdout}{now.stderr}")
            break
        time.sleep(0.5)


def close(stage: Stage, report: Report) -> None:
    """SIGTERM, and then the outputs, the auditor and `bridge verify`, which must agree."""
    stage.site.terminate(*stage.relays)
    for relay in stage.relays:
        if relay.wait(60) != 0:
            report.note(f"a relay ended with {relay.returncode}: {stage.site.log(relay)[-800:]}")
    site = stage.site
    with site.connect() as db:
        statuses = "select status, count(*)::int from bridge.event_queue group by status"
        report.decisions = dict(db.execute(statuses).fetchall())
        odd = {id_ for (id_,) in db.execute("select id::text from bridge.event_queue where event_type like 'odd.%'")}
    audit = site.audit_after_failures()
    audit = replace(audit, changed={id_ for id_ in audit.changed if id_ not in odd})  # a time is decoded as a time
    report.audit = audit
    if not audit.is_clean:
        report.note(f"the auditor: {audit}"[:3000])
    verdict = site.bridge("verify")
    doubles = "duplicated" in verdict.stderr and report.delivery == "at_least_once"
    if (verdict.returncode == 0) != audit.is_clean and not doubles:
        report.note(f"verify ends with {verdict.returncode}: {verdict.stdout}{verdict.stderr}")
    for what, text in [*outputs(site), ("bridge verify", verdict.stdout + verdict.stderr)]:
        report.note_all(leaks(what, text))
