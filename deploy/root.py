"""Makes the image's root in a new directory: the virtual environment that runs this, and what it needs of its system.

That is the interpreter with its library, shared libraries, certificates, time zones, a user; and, for scanners and
lawyers, which of Debian's packages they come from, with their licences.
"""

from __future__ import annotations

import compileall
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

USER, HOME = 65532, "/home/bridge"
LIBRARY, ENVIRONMENT = Path(sysconfig.get_path("stdlib")), Path(sys.prefix)
PROGRAM, ZONES = ENVIRONMENT / "bin" / "python3", Path("/usr/share/zoneinfo")
DEFAULTS = Path(sysconfig.get_path("purelib"), "bridge", "config", "bridge.toml")
OURS = ("bridge", "python")
# Of the standard library, what nothing here imports.
LEFT_OUT = ("*-packages", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "_test*", "*tk*")
LEFT_OUT += ("turtle*", "venv")
# Where libraries are, how hosts are found, TLS; and what glibc loads when a thread ends.
BY_NAME = ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/usr/lib/ssl/openssl.cnf", "/usr/lib/ssl/cert.pem")
LAST_OF_A_THREAD = "libgcc_s.so.1"


def main(root: Path) -> None:
    root.mkdir()
    for link in (Path("/bin"), Path("/lib"), Path("/lib64")):  # where these are parts of /usr
        if link.is_symlink():
            inside(root, link).symlink_to(link.readlink())
    for tree, left_out in ((LIBRARY, LEFT_OUT), (ENVIRONMENT, ()), (ZONES, ())):
        ignored = shutil.ignore_patterns("__pycache__", *left_out)
        shutil.copytree(tree, inside(root, tree), symlinks=True, ignore=ignored)
    for script in (path for path in inside(root, ENVIRONMENT / "bin").iterdir() if not path.name.startswith(OURS)):
        script.unlink()
    compiled = [Path("/", path.relative_to(root)) for path in root.rglob("*.so*") if not path.is_symlink()]
    wanted = {PROGRAM, *libraries(PROGRAM, *compiled), *map(Path, BY_NAME)}
    taken = {file for path in wanted if path.exists() for file in copied(path, root)}
    for tree in (LIBRARY, ENVIRONMENT):  # nobody can write there later, and nobody looks whether a source is newer
        place, mode = inside(root, tree), PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(place, stripdir=root, prependdir="/", quiet=1, invalidation_mode=mode)
    note_packages(root, {*taken, LIBRARY / "os.py", ZONES / "UTC"})
    (root / "etc" / "bridge").mkdir()
    shutil.copy(DEFAULTS, root / "etc" / "bridge")
    (root / "etc" / "passwd").write_text(f"bridge:x:{USER}:{USER}:bridge:{HOME}:/nonexistent\n")
    (root / "etc" / "group").write_text(f"bridge:x:{USER}:\n")
    for name in ("dev", "proc", "sys", "tmp", HOME.lstrip("/")):  # a root that is read-only cannot be given them later
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)


def inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def libraries(*programs: Path) -> Iterator[Path]:
    """The shared libraries that they are linked with, and that these are. Raises ValueError where one is missing."""
    told = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    for line in told.splitlines():
        name, arrow, where = line.strip().partition(" => ")
        path = (where if arrow else name).split(" (")[0]
        if path == "not found":
            raise ValueError(f"{name} is not on this system")
        if line.startswith("\t") and path.startswith("/"):
            yield Path(path)
            if name == "libc.so.6":
                yield Path(path).with_name(LAST_OF_A_THREAD)


def copied(path: Path, root: Path) -> Iterator[Path]:
    """The file, and each link on the way to it, without those among its directories."""
    path = path.parent.resolve() / path.name
    place = inside(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink() and not place.exists():
        shutil.copy2(path, place, follow_symlinks=False)
    yield path
    if path.is_symlink():
        yield from copied(path.parent / path.readlink(), root)


def note_packages(root: Path, files: Iterable[Path]) -> None:
    """As images without a package manager do: a file for each package, with what dpkg knows of it."""
    if shutil.which("dpkg-query") is None:
        return
    status = root / "var" / "lib" / "dpkg" / "status.d"
    status.mkdir(parents=True)
    # Debian's older packages say /lib for what lies in /usr/lib.
    names = [str(path) for path in files] + [str(path).removeprefix("/usr") for path in files]
    found = subprocess.run(["dpkg-query", "--search", *names], check=False, capture_output=True, text=True).stdout
    owned = [line for line in found.splitlines() if not line.startswith("diversion ")]
    for package in {owner.partition(":")[0] for line in owned for owner in line.split(": ")[0].split(", ")}:
        told = subprocess.run(["dpkg-query", "--status", package], check=True, capture_output=True, text=True).stdout
        (status / package).write_text(told)
        licence = Path("/usr/share/doc", package, "copyright")
        if licence.exists():
            place = inside(root, licence)
            place.parent.mkdir(parents=True)
            shutil.copy2(licence, place)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
