"""Records `bridge demo` as a picture: `python docs/site/terminal.py FILE.svg`. It starts servers of its own."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 96
# rich's picture loads a font from elsewhere; the reader's own will do
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
# of the records two are shown, and of what comes behind the verdict nothing
CUT = re.compile(r"(?<=\n)  crm\.opportunity.*?(?=\n[\d,]+ events and )|\n\nTo look further.*", re.DOTALL)


def record(directory: str) -> str:
    """What the demo prints, in servers that are removed at the end."""
    bridge = [sys.executable, "-m", "bridge"]
    try:
        demo = [*bridge, "demo", "--dir", directory]
        return subprocess.run(demo, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    finally:
        subprocess.run([*bridge, "local", "down", "--purge", "--dir", directory], check=True)


def picture(printed: str) -> str:
    """The lines as a terminal shows them."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(Text("$ make demo", style="bold"))
    *lines, verdict = CUT.sub("", printed).splitlines()
    for line in lines:
        console.print(Text(line, no_wrap=True, overflow="ellipsis"))
    console.print(Text(verdict, style="bold green"))
    return console.export_svg(title="make demo", code_format=FORMAT)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        printed = record(f"{directory}/.bridge").replace(f"{directory}/", "")
    Path(sys.argv[1]).write_text(picture(printed), "utf-8")
