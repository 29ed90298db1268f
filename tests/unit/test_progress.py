"""How far a long command is: a bar is for a terminal, lines for all else, and neither for standard output."""

from __future__ import annotations

import pytest

from bridge.cli.progress import progress_bar


def tell_all() -> None:
    with progress_bar() as progress:
        progress("[red]\x1b[2J", 1, None)
        progress("events", 1000, None)
        progress("events", 2000, 4000)
        progress("records", 4000, 4000)


@pytest.mark.parametrize("no_color", [False, True])
def test_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, no_color: bool
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    tell_all()
    written = capsys.readouterr()
    assert written.out == ""
    assert "2000/4000" in written.err
    assert r"[red]\x1b[2J" in written.err
    assert "records" in written.err
    assert ("\x1b[3" in written.err or "\x1b[38" in written.err) is not no_color


@pytest.mark.parametrize("terminal", ["none", "dumb"])
def test_lines_elsewhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: str) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal == "dumb")
    monkeypatch.setenv("TERM", "dumb")
    tell_all()
    assert capsys.readouterr() == ("", ""), "not before ten seconds are over"
    monkeypatch.setattr("bridge.cli.progress.SECONDS", 0)
    tell_all()
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        r"[red]\x1b[2J: 1", "events: 1,000", "events: 2,000 of 4,000", "records: 4,000 of 4,000",
    ]  # fmt: skip
