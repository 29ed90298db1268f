"""Cases of a test that are run at length only (`make long`): shorter runs have others of the same kind."""

from __future__ import annotations

from typing import Any

import pytest


def at_length(*cases: object) -> list[Any]:
    """For `parametrize`; a case of several values is a tuple."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long) for case in cases]
