"""Programs know errors by their codes: docs/command-line.md lists all, as they are."""

from __future__ import annotations

from collections import Counter

from error_codes import index, kinds, parts


def test_the_index_is_what_the_code_says() -> None:
    assert parts()[1] == index(), "python tests/error_codes.py writes it anew; a code that was released does not change"


def test_each_code_is_one_kind_of_error() -> None:
    index()
    assert [code for code, count in Counter(kind.code() for kind in kinds()).items() if count > 1] == []
