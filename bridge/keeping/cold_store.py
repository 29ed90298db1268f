"""Where cold files lie: a directory, or whatever store fsspec knows. Files are added, never changed, and removed only
by `bridge erase`, when others are in their place, or by who wrote them in vain beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bridge.errors import ConfigError, StorageUnavailable, VerificationFailed
from bridge.text import printable


def write_new(url: str, data: bytes) -> None:
    """Write a file whose name nobody else uses: all of it, durably, or nothing.

    Raises StorageUnavailable, and ConfigError for a location that cannot be used.
    """
    files, path = _opened(url)
    with _told("write", url):
        if "file" in (files.protocol, *files.protocol):
            _write_locally(Path(path), data)
            return
        try:
            files.pipe_file(path, data)
        except FileNotFoundError:  # a store with directories
            if not BUCKETS.isdisjoint((files.protocol, *files.protocol)):
                raise  # or a name that is misspelt would become a bucket of its own
            files.makedirs(files._parent(path), exist_ok=True)
            files.pipe_file(path, data)


def read(url: str) -> bytes:
    """All of a file, anew. Raises as `write_new` does, and VerificationFailed where it is not there."""
    files, path = _opened(url)
    try:
        with _told("read", url):
            return bytes(files.cat_file(path))
    except FileNotFoundError as error:
        raise VerificationFailed(f"{url} is not there") from error


def remove(url: str) -> None:
    """Remove a file, durably; it may be gone already. Raises as `write_new` does."""
    files, path = _opened(url)
    with suppress(FileNotFoundError), _told("remove", url):
        files.rm_file(path)
        if "file" in (files.protocol, *files.protocol):
            _sync(Path(path).parent)


def find(url: str, pattern: str) -> list[str]:
    """Files of this pattern in a directory, whole. Raises as `write_new` does."""
    files, path = _opened(url)
    with _told("read", url):
        files.invalidate_cache()
        return sorted(str(files.unstrip_protocol(found)) for found in files.glob(f"{path.rstrip('/')}/{pattern}"))


LOGIN = re.compile(r"://[^/]*:[^/]*@")  # in any part of a chained one: simplecache::s3://us:pw@bucket
BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
PATTERN = re.compile(r"[*?[]")  # files are looked for by patterns, and would not be found there
STORES = {"file", *BUCKETS, "hdfs", "webhdfs", "sftp", "ssh", "smb"}


def absolute(location: str) -> str:
    """A location as it may be written down. Raises ConfigError for one that cannot be used, or that keeps nothing."""
    scheme = location.partition("://")[0] if "://" in location else "file"
    if scheme.split("::")[-1] not in STORES:
        raise ConfigError(
            f"{scheme}:// is no place where cold files would be safe", hint=f"Known are {', '.join(sorted(STORES))}"
        )
    if PATTERN.search(location):
        raise ConfigError("one of * ? [ stands in the location of cold files", hint="Name a place without")
    files, path = _opened(location)
    return str(files.unstrip_protocol(path)).rstrip("/")


def _opened(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # takes long, and only who has cold files needs it

    if LOGIN.search(url):  # it would stand in a table, in messages and in the list of processes
        raise ConfigError("a password must not stand in the location", hint="Give it to the environment")
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        hint = "Install the package that it names; for s3://, bridge-cdc[s3]"
        raise ConfigError(f"cold files cannot go to {url}: {printable(str(error))}", hint=hint) from error
    except ValueError as error:
        raise ConfigError(f"cold files cannot go to {url}: {printable(str(error))}") from error
    return files, path


@contextmanager
def _told(verb: str, url: str) -> Iterator[None]:
    """Raise our error, without a name that is another one with each try: the log says each trouble once."""
    folder, _, name = url.rpartition("/")
    try:
        yield
    except FileNotFoundError:
        if verb == "write":
            raise StorageUnavailable(f"cannot write to {folder}: there is no such place") from None
        raise
    except OSError as error:
        raise StorageUnavailable(f"cannot {verb} in {folder}: {printable(error.strerror or str(error))}") from error
    except Exception as error:  # a store's client raises errors of its own
        reason = printable(str(error)).replace(name, "...")
        raise StorageUnavailable(f"cannot {verb} in {folder}: {type(error).__name__}: {reason}") from error


def _write_locally(path: Path, data: bytes) -> None:
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)  # a full disk is not to be filled further
        raise
    for folder in (path.parent, *(folder.parent for folder in missing)):
        _sync(folder)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
