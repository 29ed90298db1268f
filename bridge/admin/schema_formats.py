"""The report of a check of schemas: for people, for programs, and as GitHub's annotations and JUnit's XML.

GitHub and JUnit are told what is wrong, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.etree import ElementTree

from bridge.admin.schema_report import WORDS, Finding, Outcome, Report
from bridge.text import printable


def as_text(report: Report) -> str:
    """What is wrong or has changed, a line for each thing, and a summary."""
    lines: list[str] = []
    for mistake in report.mistakes:
        lines += mistake.lines("")
    for verdict in report.verdicts:
        if verdict.outcome is not Outcome.UNCHANGED:
            lines.append(f"{verdict.subject}: {WORDS[verdict.outcome]} ({verdict.level})")
        for finding in verdict.findings:
            lines += finding.lines("  ")
    return "\n".join(printable(line) for line in [*lines, report.summary])


def as_json(report: Report) -> dict[str, Any]:
    """JSON-ready."""
    return {
        "against": report.against,
        "ok": report.exit_code == 0,
        "subjects": [
            {
                "subject": verdict.subject,
                "outcome": verdict.outcome,
                "level": verdict.level,
                "findings": [vars(finding) for finding in verdict.findings],
            }
            for verdict in report.verdicts
        ],
        "mistakes": [vars(mistake) for mistake in report.mistakes],
    }


def as_github(report: Report) -> str:
    """Workflow commands, by which GitHub marks lines of the files; none if nothing is wrong."""
    return "\n".join(_annotation(subject, finding) for subject, finding in report.findings)


def as_junit(report: Report) -> str:
    """A test a subject, and one for the configuration."""
    failed = sum(1 for verdict in report.verdicts if verdict.findings) + bool(report.mistakes)
    counts = {"tests": str(len(report.verdicts) + 1), "failures": str(failed), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": f"bridge schema check {report.against}", **counts})
    _case(suite, "configuration", report.mistakes)
    for verdict in report.verdicts:
        _case(suite, verdict.subject, verdict.findings)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False)


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": as_text,
    "github": as_github,
    "junit": as_junit,
}


def _annotation(subject: str, finding: Finding) -> str:
    given: dict[str, Any] = {"file": finding.file, "line": finding.line, "title": f"{subject} {finding.path}".strip()}
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in given.items() if value is not None)
    return f"::error {properties}::{_escaped(f'{finding.rule}: {_told(finding)}', '')}"


def _told(finding: Finding) -> str:
    return f"{finding.message}. {finding.mend}" if finding.mend else finding.message


def _escaped(text: str, more: str) -> str:
    """As GitHub's workflow commands want it."""
    for char in f"%{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return printable(text)


def _case(suite: ElementTree.Element, name: str, findings: tuple[Finding, ...]) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": "bridge.schema", "name": printable(name)})
    for finding in findings:
        given = {"type": finding.rule, "message": printable(f"{finding.path}: {_told(finding)}")}
        ElementTree.SubElement(case, "failure", given).text = printable(f"{finding.place} {_told(finding)}".strip())
