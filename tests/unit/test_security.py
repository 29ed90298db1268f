"""docs/security.md: each line names tests, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LINES = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", (CHECKOUT / "docs" / "security.md").read_text(), re.M)
NAMED = re.compile(r"`([a-z]+/test_\w+\.py)(?:::(test_\w+))?`")


def test_all_lines_of_the_list_are_there() -> None:
    assert [int(number) for number, _, _ in LINES] == list(range(1, 23))


def test_each_line_names_tests_that_exist() -> None:
    missing = []
    for number, _, tests in LINES:
        named = NAMED.findall(tests)
        assert len(named) == len(tests.split(", ")), f"line {number}: {tests}"
        for file, name in named:
            path = CHECKOUT / "tests" / file
            if not path.is_file() or (name and f"def {name}(" not in path.read_text()):
                missing.append(f"line {number}: {file}::{name}")
    assert missing == []


def test_the_policy_says_what_it_must() -> None:
    policy = (CHECKOUT / "SECURITY.md").read_text()
    for heading in ("Reporting", "Versions supported", "What is protected, and from whom", "Checking a release"):
        assert f"\n## {heading}\n" in policy
    for who in (
        "writer of events",
        "owner of a tracked table",
        "relay's role",
        "operator",
        "Kafka",
        "registry",
        "consumer",
    ):
        assert who in policy
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", policy):
        assert (CHECKOUT / link).exists(), link
