"""Fetches one locked file from a Maven repository, by way of jgo, and shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bridge.errors import Unavailable
from bridge.local.artifacts import Artifact, file_sha256

_ATTEMPTS = 3
_CONNECT_TIMEOUT_SECONDS = 15


def download(directory: Path, artifact: Artifact, advance: Callable[[int], None]) -> Path:
    """One verified file below `directory`. Raises Unavailable when it cannot be had."""
    import requests
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def report(filename: str, size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    group, name, packaging, *classifier, version = artifact.coordinate.split(":")
    problem = ""
    for attempt in range(_ATTEMPTS):
        context = MavenContext(
            repo_cache=directory / str(attempt),
            resolver=PythonResolver(progress_callback=report),
            remote_repos=GlobalSettings.load().repositories or None,  # a mirror, where the user's jgo.conf names one
            timeout=_CONNECT_TIMEOUT_SECONDS,
        )
        component = context.project(group, name).at_version(version)
        try:
            path = component.artifact("".join(classifier), packaging).resolve()
        except requests.ConnectionError as error:
            problem = f"no connection to the Maven repository ({type(error).__name__})"
        except (requests.RequestException, RuntimeError) as error:
            problem = f"the Maven repository did not give it ({type(error).__name__})"
        else:
            if file_sha256(path) == artifact.sha256:
                return path
            problem = "what arrived does not have the SHA-256 of artifacts.lock"
    raise Unavailable(
        f"cannot download {artifact.filename}: {problem}",
        hint="The servers need this once; try again, or copy the cache of a machine that has it",
    )


@contextmanager
def progress(console: Console, count: int, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal and one plain line elsewhere; gives the function that adds bytes."""
    title = f"downloading the servers ({count} files, {total / 1e6:.0f} MB)"
    if not console.is_terminal:
        console.print(title)
        yield lambda count: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
