"""One cold file, in memory as bytes: an Avro object container, whose blocks are compressed by zstd; or Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from fastavro.write import Writer

from bridge.errors import BridgeError, VerificationFailed
from bridge.keeping.cold_row import RowCoder, Stored, checksum_of
from bridge.keeping.parquet_file import ParquetWriter, read_parquet
from bridge.text import place

MAX_BYTES = 16 * 1024 * 1024  # of a file, but for its last block: it is made in memory
BLOCK_BYTES = 256 * 1024  # before compression
CODEC = "zstandard"
AVRO, PARQUET = "avro", "parquet"  # formats, and how the names of their files end


class ColdFile(NamedTuple):
    """What is known of a file beside its bytes; `path` is where it lies, whole."""

    number: int
    path: str
    rows: int
    bytes: int
    sha256: str
    checksum: str


class Packed(NamedTuple):
    """A file's bytes, and what is to be known of them."""

    data: bytes
    format: str
    rows: int
    sha256: str
    checksum: str
    last_place: str


def pack(coder: RowCoder, rows: Iterable[tuple[str, Stored]], format: str) -> Packed | None:
    """As many of `rows`, each with its place, as one file has; None if there is none.

    Raises ConfigError where the format's library is not installed.
    """
    buffer = BytesIO()
    writer: Writer | ParquetWriter
    if format == PARQUET:
        writer = ParquetWriter(buffer, coder, BLOCK_BYTES)
    else:
        writer = Writer(buffer, coder.schema, CODEC, sync_interval=BLOCK_BYTES)
    count, total, last_place = 0, 0, ""
    for place_of_row, stored in rows:
        writer.write(coder.record(stored))
        count += 1
        total += checksum_of(stored)
        last_place = place_of_row
        if buffer.tell() >= MAX_BYTES:
            break
    if not count:
        return None
    writer.flush()
    data = buffer.getvalue()
    return Packed(data, format, count, hashlib.sha256(data).hexdigest(), str(total), last_place)


def unpack(coder: RowCoder, file: ColdFile, data: bytes) -> Iterator[list[str | None]]:
    """The rows in a file's bytes. Raises VerificationFailed where it is not the one that was written."""
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise VerificationFailed(f"the cold file {file.path} is not what was written: its SHA-256 is another")
    count, total = 0, 0
    for record in records(file.path, data):
        stored = _stored(coder, record, file.path)
        count += 1
        total += checksum_of(stored)
        yield stored
    if (count, str(total)) != (file.rows, file.checksum):
        raise VerificationFailed(
            f"the cold file {file.path} holds {count} rows of another checksum than its {file.rows} had"
        )


def records(path: str, data: bytes) -> Iterator[dict[str, Any]]:
    """What a file holds, whoever has written it. Raises VerificationFailed where it cannot be read, ConfigError."""
    try:
        rows = read_parquet(data) if format_of(path) == PARQUET else fastavro.reader(BytesIO(data))
        for row in rows:
            if not isinstance(row, dict):
                raise TypeError("a row is a record")
            yield row
    except BridgeError:
        raise
    except Exception as error:  # fastavro, pyarrow and zstd raise whatever they meet
        raise VerificationFailed(f"the cold file {path} cannot be read: {place(error)}") from error


def format_of(path: str) -> str:
    """By the end of its name."""
    return path.rpartition(".")[2]


def check(coder: RowCoder, file: ColdFile, data: bytes) -> None:
    """Read a file to its end. Raises as `unpack` does."""
    for _ in unpack(coder, file, data):
        pass


def _stored(coder: RowCoder, record: dict[str, Any], path: str) -> list[str | None]:
    try:
        return coder.stored(record)
    except Exception as error:  # another schema's record, of whatever types
        raise VerificationFailed(f"the cold file {path} cannot be read: {place(error)}") from error
