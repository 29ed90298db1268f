"""What these tests are about is what commands do and print, not that each is a process."""

from __future__ import annotations

import pytest
from fix_relay import Site


@pytest.fixture(autouse=True)
def commands_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "in_process", True)
