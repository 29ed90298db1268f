"""The formats of a page; and those of several workers as one: each line gets a label, each metric has one heading."""

from __future__ import annotations

from collections.abc import Mapping

FORMATS = {  # and their content types
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
END = "# EOF"


def format_of(accept: str) -> str:
    """OpenMetrics where that is accepted, else Prometheus' text, which everybody reads."""
    return "openmetrics" if "application/openmetrics-text" in accept else "text"


def merge(pages: Mapping[str, bytes]) -> bytes:
    """One page of those of several workers, by name; all must be of one format, Prometheus' text or OpenMetrics.

    What a worker's page does not say of a metric, another's does.
    """
    headings: dict[str, dict[str, str]] = {}  # by metric, and by what they say: HELP, TYPE, UNIT
    samples: dict[str, list[str]] = {}
    is_open = False
    for worker, page in pages.items():
        label = f'worker="{_escaped(worker)}"'
        metric = ""
        for line in page.decode("utf-8").split("\n"):
            if line.startswith("# "):
                if line == END:
                    is_open = True
                    continue
                _, what, metric, *_ = line.split(" ", 3)
                headings.setdefault(metric, {}).setdefault(what, line)
            elif line:
                samples.setdefault(metric, []).append(_labelled(line, label))
    lines: list[str] = []
    for metric, said in headings.items():
        lines += said.values()
        lines += samples.get(metric, ())
    return "\n".join([*lines, *([END] if is_open else []), ""]).encode()


def _labelled(line: str, label: str) -> str:
    """A sample with one more label; a name has neither a brace nor a space."""
    name, brace, rest = line.partition("{")
    if brace and " " not in name:
        return f"{name}{{{label},{rest}"
    name, _, rest = line.partition(" ")
    return f"{name}{{{label}}} {rest}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
