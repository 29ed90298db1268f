"""A bar is for a terminal, and nowhere else."""

from __future__ import annotations

import pytest

from bridge.cli.progress import progress_bar


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar() as progress:
        progress("events", 1000, None)
        progress("events", 2000, 4000)
        progress("records", 4000, 4000)
    written = capsys.readouterr()
    assert written.out == ""
    assert ("2000/4000" in written.err, "records" in written.err) == (is_terminal, is_terminal)
