"""No text from outside can steer the terminal, forge a line, or be taken for markup, whichever way it comes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from rich.table import Table

from bridge.cli.log_format import PrintableFormatter
from bridge.cli.terminal import PlainConsole, echo, echo_envelope, progress_console

EVIL = "\x1b[2J\n[red]forged \N{RIGHT-TO-LEFT OVERRIDE}:smile: é"
SHOWN = r"\x1b[2J\x0a[red]forged \u202e:smile: é"


def test_echo(capsys: pytest.CaptureFixture[str]) -> None:
    echo("one", EVIL)
    echo(EVIL, err=True)
    assert capsys.readouterr() == (f"one\n{SHOWN}\n", f"{SHOWN}\n")


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    echo_envelope({"a": EVIL, "at": datetime(2026, 1, 1, tzinfo=UTC), "id": uuid.UUID(int=1), "raw": b"\xff"})
    (line,) = capsys.readouterr().out.splitlines()
    assert all(" " <= char <= "~" for char in line)


def test_tables_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(EVIL, box=None, pad_edge=False)
    table.add_row(EVIL)
    PlainConsole().print(table)
    PlainConsole().print(EVIL)
    progress_console().print(EVIL)
    found = capsys.readouterr()
    assert found.out.splitlines() == [SHOWN] * 3
    assert found.err == f"{SHOWN}\n"


def test_the_log_has_one_line_for_a_message_and_those_of_a_traceback() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "file", 1, "it says %s", (EVIL,), sys.exc_info())
    first, *traceback = PrintableFormatter("%(levelname)s %(message)s").format(record).split("\n")
    assert first == f"ERROR it says {SHOWN}"
    assert traceback[0] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in traceback)


@pytest.mark.parametrize("where", ["raise_it()", "threading.Thread(target=raise_it).start()"])
def test_a_bug(where: str) -> None:
    script = (
        "import threading; from bridge.cli.terminal import print_tracebacks\n"
        f"def raise_it(): raise ValueError({EVIL!r})\n"
        f"print_tracebacks(); {where}"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stderr
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.replace("\n", "").isprintable()
    assert said.endswith(": é\n")


def test_a_bug_does_not_tell_a_secret(tmp_path: Path) -> None:
    """A library's exception may repeat what it was given: in a traceback, and in the log of whoever asked for those."""
    given = "S3/@:% \\'c4n4ry"
    script = (
        "import logging, pathlib, sys, threading\n"
        "from bridge.cli.log_format import log_to_stderr\n"
        "from bridge.cli.terminal import print_tracebacks\n"
        "from bridge.configuration.load import read\n"
        f"url = 'postgresql://us:' + {quote(given, safe='')!r} + '@db/x'\n"
        f"password = {given!r}\n"
        "environ = {'BRIDGE_REGISTRY_USERNAME': 'u', 'BRIDGE_REGISTRY_PASSWORD': password}\n"
        "read(None, environ | {'BRIDGE_DATABASE_URL': url})\n"
        "def raise_it(): raise ValueError('it was', password, url, url)\n"
        "log_to_stderr(logging.DEBUG, 'text'); print_tracebacks()\n"
        "try: raise_it()\n"
        "except ValueError: logging.getLogger('x').exception('it failed')\n"
        "threading.Thread(target=raise_it).start()"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stderr
    assert said.count("it was") == 2
    assert said.count("***") == 6
    assert "c4n4ry" not in said


def test_a_crash_leaves_no_core_dump(tmp_path: Path) -> None:
    script = (
        "import os, resource, signal; from bridge.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
        "main.run_to_end = lambda *_: os.kill(os.getpid(), signal.SIGABRT)\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), flush=True); main.main()"
    )
    script = f"import os; os.chdir({str(tmp_path)!r})\n{script}"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", script], os.environ)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert not list(tmp_path.iterdir())


def test_a_ctrl_c_while_it_is_imported() -> None:
    script = (
        "import runpy, sys\n"
        "class CtrlC:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, CtrlC())\n"
        "runpy.run_module('bridge', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "bridge: interrupted\n")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_stream_that_the_caller_closed_is_no_socket_later(number: int, tmp_path: Path) -> None:
    code = f"""
import os
from bridge.cli.terminal import keep_standard_streams
os.close({number})
keep_standard_streams()
assert os.path.samestat(os.fstat({number}), os.stat(os.devnull))
assert os.open({str(tmp_path)!r}, os.O_RDONLY) > 2
"""
    assert subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL).returncode == 0


def test_what_the_locale_has_no_bytes_for() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    config = str(Path(__file__).parents[2] / "config" / "demo.toml")
    command = [sys.executable, "-m", "bridge", "route", "--config", config, "größe in \N{EURO SIGN}"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert b"the event type gr\xf6\xdfe in \\u20ac: no route" in done.stdout
    assert done.returncode == 4, done.stderr


def test_documents_for_programs_are_utf_8() -> None:
    """psql, say, which takes what comes through a pipe for the database's encoding."""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "bridge", "grants", "--role", "migrator", "--to", "größe"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    assert '"größe"' in done.stdout.decode("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_disk_is_no_bug() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "bridge", "run", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "bridge: the output cannot be written: No space left on device\n")
