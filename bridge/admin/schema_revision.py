"""The schema files of a directory as a git revision has them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.encoding.avro.library import MAX_SCHEMA_BYTES, SUFFIX, schema_text
from bridge.errors import BridgeError, ConfigError

SECONDS = 60.0


class NoRevision(BridgeError):
    """Git does not know a revision, or the directory is in none of its working trees."""


class RevisionTexts:
    """Read whole, at once: a shallow clone, or a revision that is moved, cannot change them later."""

    def __init__(self, directory: Path, revision: str) -> None:
        """Raises NoRevision."""
        self.place = f"in the revision {revision}"
        self._directory = directory
        tree = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}")
        self._files: Mapping[str, bytes] = {}
        if tree is None and revision == "HEAD" and self._git("rev-parse", "--git-dir") is not None:
            return  # before the first commit there is nothing
        if tree is None:
            raise NoRevision(
                f"{revision!r} is neither a directory nor a revision that git knows in {directory}",
                hint="Fetch it before: in a workflow, actions/checkout with fetch-depth: 0",
            )
        self._files = self._read(tree.decode().strip())

    def subjects(self) -> Sequence[str]:
        """Those that have a file there."""
        return sorted(self._files)

    def text(self, subject: str) -> str:
        """The file as it was. Raises ConfigError."""
        if subject not in self._files:
            raise ConfigError(f"there is no {subject}.avsc {self.place}")
        return schema_text(subject, self._files[subject])

    def _read(self, tree: str) -> Mapping[str, bytes]:
        prefix = (self._git("rev-parse", "--show-prefix") or b"").decode(errors="surrogateescape").rstrip("\n")
        listed = self._git("ls-tree", "-z", "--full-tree", f"{tree}:{prefix}" if prefix else tree)
        names: dict[str, str] = {}
        for entry in (listed or b"").split(b"\0"):  # nothing where the directory was not there yet
            about, _, name = entry.decode(errors="surrogateescape").partition("\t")
            if name.endswith(SUFFIX) and about.split()[1] == "blob":
                names[name.removesuffix(SUFFIX)] = about.split()[2]
        contents = self._git("cat-file", "--batch", input_="".join(f"{blob}\n" for blob in names.values()))
        return dict(zip(names, _blobs(contents or b""), strict=True))

    def _git(self, *arguments: str, input_: str = "") -> bytes | None:
        """What git prints; None where it says no."""
        command = ["git", "-C", str(self._directory), *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - a revision is an argument of its own, behind --end-of-options
                command, input=input_.encode(), capture_output=True, timeout=SECONDS, check=False
            )
        except FileNotFoundError as error:
            raise NoRevision("git is not installed", hint="Name a directory instead") from error
        except subprocess.TimeoutExpired as error:
            raise NoRevision(f"git did not answer within {SECONDS:g} s") from error
        return done.stdout if done.returncode == 0 else None


def _blobs(printed: bytes) -> Sequence[bytes]:
    """The contents that `git cat-file --batch` prints, each behind a line that says how long it is."""
    found: list[bytes] = []
    at = 0
    while at < len(printed):
        end = printed.index(b"\n", at)
        size = int(printed[at:end].split()[2])
        found.append(printed[end + 1 : end + 1 + min(size, MAX_SCHEMA_BYTES + 1)])
        at = end + 1 + size + 1
    return found
