"""The records of a cold file as Parquet, compressed by zstd, where a policy prefers that to Avro: bridge-cdc[parquet].

Fields, names and values are those of `cold_row.py`. Parquet has no unions: a time that is text, because it has no
number (infinity, or beyond the years 1 to 9999), stands in a second column, and its own is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from bridge.errors import ConfigError
from bridge.keeping.cold_row import RowCoder

BLOCKS_OF_A_GROUP = 16  # a row group is made at once, of so many times what an Avro file's block has
ROWS_AT_ONCE = 1000  # when it is read
TEXT_OF = b"textOf"  # a column's metadata: the one whose values it has where they are text


class ParquetWriter:
    """Writes records into `buffer`; what `flush` has ended takes no more."""

    def __init__(self, buffer: BytesIO, coder: RowCoder, block_bytes: int) -> None:
        """Raises ConfigError where pyarrow is not installed."""
        self._arrow, parquet = _pyarrow()
        self._schema = _schema(self._arrow, coder)
        self._file = parquet.ParquetWriter(buffer, self._schema, compression="zstd")
        self._group_bytes = block_bytes * BLOCKS_OF_A_GROUP
        self._records: list[Mapping[str, Any]] = []
        self._bytes = 0

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a record (`RowCoder.record`)."""
        self._records.append(record)
        self._bytes += sum(len(value) if isinstance(value, str | bytes) else 8 for value in record.values())
        if self._bytes >= self._group_bytes:
            self._write_group()

    def flush(self) -> None:
        """End the file."""
        if self._records:
            self._write_group()
        self._file.close()

    def _write_group(self) -> None:
        arrays = [self._arrow.array(self._values(field), field.type) for field in self._schema]
        self._file.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._records, self._bytes = [], 0

    def _values(self, field: Any) -> list[Any]:
        text_of = (field.metadata or {}).get(TEXT_OF)
        if text_of is not None:
            texts = (record[text_of.decode()] for record in self._records)
            return [value if isinstance(value, str) else None for value in texts]
        values = (record.get(field.name) for record in self._records)
        if self._arrow.types.is_timestamp(field.type):
            return [None if isinstance(value, str) else value for value in values]
        return list(values)


def read_parquet(data: bytes) -> Iterator[dict[str, Any]]:
    """The records of a file, of which few are in memory; times are microseconds since 1970.

    Raises ConfigError where pyarrow is not installed; while it is read, whatever pyarrow meets.
    """
    arrow, parquet = _pyarrow()
    return _records(arrow, parquet.ParquetFile(BytesIO(data)))


def _records(arrow: Any, file: Any) -> Iterator[dict[str, Any]]:
    schema = file.schema_arrow
    texts = {
        field.name: field.metadata[TEXT_OF].decode() for field in schema if TEXT_OF in (field.metadata or {})
    }  # fmt: skip
    for batch in file.iter_batches(ROWS_AT_ONCE):
        columns = {
            name: (column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column).to_pylist()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        for text, name in texts.items():
            columns[name] = [
                value if other is None else other for value, other in zip(columns[name], columns.pop(text), strict=True)
            ]
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


def _schema(arrow: Any, coder: RowCoder) -> Any:
    types = {
        "int": arrow.int32(),
        "long": arrow.int64(),
        "oid": arrow.int64(),
        "boolean": arrow.bool_(),
        "float": arrow.float32(),
        "double": arrow.float64(),
        "bytes": arrow.binary(),
        "timestamp-micros": arrow.timestamp("us", tz="UTC"),
        "local-timestamp-micros": arrow.timestamp("us"),
    }
    fields, more = [], []
    for name, column in zip(coder.fields, coder.columns, strict=True):
        known = {"column": column.name, "postgresType": column.type}
        fields.append(arrow.field(name, types.get(column.kind, arrow.string()), metadata=known))
        if column.kind.endswith("timestamp-micros"):
            text = f"{name}_text"
            while text in coder.fields:
                text += "_"
            more.append(arrow.field(text, arrow.string(), metadata={TEXT_OF: name}))
    if not fields:
        fields = [arrow.field("row", arrow.int32())]  # of a table without columns the rows count all the same
    return arrow.schema([*fields, *more], metadata={"doc": coder.schema["doc"]})


def _pyarrow() -> tuple[Any, Any]:
    """Raises ConfigError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError("cold files in Parquet need pyarrow", hint="pip install 'bridge-cdc[parquet]'") from error
    return pyarrow, pyarrow.parquet
