"""A table of every kind of column, its changes as they are published, and what a consumer must read of them."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any, NamedTuple

import fastavro
import psycopg
from psycopg import sql

from bridge.admin.generate import generate
from bridge.admin.typed_schema import Wishes
from bridge.encoding.change import ChangeSchema

Db = psycopg.Connection[Any]

TYPES = """
create type mood as enum ('calm', 'glad', 'so_so');
create type "odd mood" as enum ('in progress', 'Zürich', '1st');
create type pair as (a int, b text);
create type span as range (subtype = float8);
create domain price as numeric(12, 4) check (value >= 0);
create domain email as text check (value like '%@%');
create domain ints as int[];
"""
# The session's settings under which text is compared are those that capture pins.
SESSION = """
set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; set bytea_output = 'hex';
set extra_float_digits = 1; set lc_monetary = 'C'; set search_path = public;
"""


class Kind(NamedTuple):
    """A column's type, how a consumer's value is compared, and some values as SQL."""

    type: str
    compared: str  # same: as psycopg reads it; single: all its digits; text: as Postgres prints it; json: the document
    values: tuple[str, ...]


KINDS = {
    "small": Kind("smallint", "same", ("1", "-32768")),
    "whole": Kind("int", "same", ("2147483647", "0")),
    "big": Kind("bigint", "same", ("-9223372036854775808", "9223372036854775807")),
    "real4": Kind("real", "single", ("1.5", "'Infinity'", "0.1", "3.4e38", "7.038531e-26")),
    "real8": Kind("double precision", "same", ("0.1", "'-Infinity'", "1e23", "1.7976931348623157e308", "5e-324")),
    "flag": Kind("boolean", "same", ("true", "false")),
    "name": Kind("text", "same", ("'x'", "'ein \"Wort\" \\ — 日本 😀'", "''")),
    "short": Kind("varchar(20)", "same", ("'abc'",)),
    "padded": Kind("char(5)", "same", ("'ab'",)),
    "amount": Kind("numeric(12, 2)", "same", ("1234567890.12", "-0.01", "0")),
    "exact": Kind("numeric", "text", ("1.500", "12345678901234567890123456789.000000000001", "'NaN'", "1e-30")),
    "hundreds": Kind("numeric(5, -2)", "same", ("1234500", "-100")),
    "tiny": Kind("numeric(2, 5)", "same", ("0.00012",)),
    "cost": Kind("price", "same", ("99.9999",)),
    "mail": Kind("email", "same", ("'a@b'",)),
    "at": Kind("timestamptz", "same", ("'2026-11-27 12:00:00.123456+03'", "'0001-01-01 00:00+00'")),
    "local_at": Kind("timestamp", "same", ("'9999-12-31 23:59:59.999999'", "'1969-12-31'")),
    "day": Kind("date", "same", ("'2026-02-28'", "'1900-01-01'")),
    "clock": Kind("time", "same", ("'23:59:59.999999'", "'00:00'")),
    "clock_tz": Kind("timetz", "text", ("'12:00:00.5+02'",)),
    "span_of_time": Kind("interval", "text", ("'1 year -3 days 04:05:06.7'",)),
    "id128": Kind("uuid", "same", ("'019377A8-6f0c-7d3c-9a50-3c1f2a1b4c5d'",)),
    "mood": Kind("mood", "same", ("'glad'", "'so_so'")),
    "odd": Kind('"odd mood"', "same", ("'in progress'", "'Zürich'")),
    "numbers": Kind("int[]", "same", ("'{1,null,3}'", "'{}'", "'[0:1]={7,8}'")),
    "grid": Kind("bigint[][]", "same", ("'{{1,2},{3,null}}'", "'{}'")),
    "words": Kind("text[]", "same", ("array['a', null, 'NULL', '{\"x\"}', '']",)),
    "amounts": Kind("numeric(8, 3)[]", "same", ("'{1.5,null,-2}'",)),
    "exacts": Kind("numeric[]", "words", ("'{1.50,null,NaN,1e-30}'",)),
    "moods": Kind("mood[]", "words", ("array['calm', null]::mood[]", "'[3:3]={glad}'")),
    "pairs": Kind("pair[]", "words", ("array[row(1, 'a \"b\" \\ ,')::pair, null]",)),
    "days": Kind("date[]", "same", ("'{2026-01-01,null}'",)),
    "ints": Kind("ints", "same", ("'{4,5}'",)),
    "pair": Kind("pair", "text", ("row(1, 'a,\"b')",)),
    "document": Kind("jsonb", "json", ('\'{"a": [1.00, "ü", null], "b": 1e2}\'', "'\"text\"'", "'[1, 2]'", "'17'")),
    "plain_json": Kind("json", "json", ('\'{"b":  1, "a": 12345678901234567890.10}\'',)),
    "documents": Kind("jsonb[]", "jsons", ("array['{\"a\": 1.0}', null, '\"x\"']::jsonb[]",)),
    "jsons": Kind("json[]", "words", ('array[\'{"a": "b,c"}\', null]::json[]',)),
    "bytes": Kind("bytea", "same", ("'\\xdeadbeef'", "''")),
    "byteas": Kind("bytea[]", "same", ("array['\\x00ff'::bytea, null]",)),
    "range": Kind("int4range", "text", ("'[1,5)'", "'empty'")),
    "ranges": Kind("tstzmultirange", "text", ("'{[2026-01-01,2026-02-01)}'",)),
    "own_range": Kind("span", "text", ("'[0.1,2]'",)),
    "address": Kind("inet", "text", ("'10.0.0.1/8'",)),
    "mac": Kind("macaddr", "text", ("'08:00:2b:01:02:03'",)),
    "words_found": Kind("tsvector", "text", ("to_tsvector('simple', 'a fat cat')",)),
    "place": Kind("point", "text", ("'(1.5,2)'",)),
    "boxes": Kind("box[]", "words", ("array['((0,0),(1,1))'::box, null]",)),
    "money": Kind("money", "text", ("'1234.5'",)),
    "bits": Kind("bit varying", "text", ("b'10110'",)),
    "markup": Kind("xml", "text", ("null",)),  # the servers at hand have no libxml
    "a column": Kind("int", "same", ("5",)),
    "a-column": Kind("int", "same", ("6",)),
    "a_column_2": Kind("int", "same", ("7",)),
    "1st": Kind("text", "same", ("'one'",)),
    "größe": Kind("text", "same", ("'groß'",)),
    'quo"ted': Kind("int", "same", ("8",)),
}


def create(db: Db, name: str = "things") -> None:
    """The table, with a key, and the types that it needs."""
    db.execute(SESSION)
    db.execute(TYPES)
    columns = [sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(kind.type)) for c, kind in KINDS.items()]
    db.execute(
        sql.SQL("create table {} (id int primary key, {})").format(sql.Identifier(name), sql.SQL(", ").join(columns))
    )


def insert(db: Db, key: int, number: int) -> None:
    """A row of the `number`th values of each column, from the first again where it has no more; none: nulls."""
    values = [sql.SQL(kind.values[number % len(kind.values)] if number >= 0 else "null") for kind in KINDS.values()]  # type: ignore[arg-type]
    names = sql.SQL(", ").join(map(sql.Identifier, KINDS))
    statement = sql.SQL("insert into things (id, {}) values ({}, {})").format(
        names, sql.Literal(key), sql.SQL(", ").join(values)
    )
    db.execute(statement)


def payloads(db: Db, entity_type: str) -> list[str]:
    """What the relay reads of a table's changes, in order."""
    query = "select bridge.change_payload(h) from bridge.history as h where entity_type = %s order by seq"
    return [payload for (payload,) in db.execute(query, (entity_type,))]


def schema_of(db: Db, table: str = "things", wishes: Wishes | None = None) -> ChangeSchema:
    """As `bridge schema generate` writes it."""
    found = generate(db, table, wishes or Wishes(), None)
    return ChangeSchema(f"{table}-value", found.text)


def decoded(schema: ChangeSchema, body: bytes) -> Any:
    """As a consumer in Python reads it."""
    stream = io.BytesIO(body)
    record = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(schema.text)), None)
    assert not stream.read()
    return record


def field_names(schema: ChangeSchema) -> dict[str, str]:
    """Of the columns."""
    (row,) = [
        branch
        for field in json.loads(schema.text)["fields"]
        if field["name"] in ("before", "after")
        for branch in field["type"]
        if isinstance(branch, dict)
    ]
    return {field.get("bridge", {}).get("column", field["name"]): field["name"] for field in row["fields"]}


def in_table(db: Db, names: dict[str, str]) -> dict[int, dict[str, Any]]:
    """The rows by their key, as `decoded` must have them but for JSON, which is `comparable`."""
    shown = {
        "single": "{}::float8",
        "text": "{}::text",
        "words": "{}::text[]",
        "jsons": "{}::text[]",
        "json": "{}::jsonb::text",
    }
    columns = [
        sql.SQL(shown.get(kind.compared, "{}")).format(sql.Identifier(column))
        for column, kind in KINDS.items()  # type: ignore[arg-type]
    ]
    query = sql.SQL("select id, {} from things").format(sql.SQL(", ").join(columns))
    rows = {}
    for key, *values in db.execute(query):
        row = {"id": key} | {names[column]: value for column, value in zip(KINDS, values, strict=True)}
        rows[key] = comparable(row, names)
    return rows


def comparable(row: dict[str, Any] | None, names: dict[str, str]) -> dict[str, Any] | None:
    """With documents in place of the text of JSON, and floats as they are printed, because NaN is not itself."""
    if row is None:
        return None
    kinds = {names[column]: kind for column, kind in KINDS.items() if column in names}
    return {name: _comparable(value, kinds[name].compared if name in kinds else "same") for name, value in row.items()}


def _comparable(value: Any, compared: str) -> Any:
    if compared in ("json", "jsons") and isinstance(value, str):
        return json.loads(value, parse_float=Decimal)
    if isinstance(value, list):
        return [_comparable(item, compared) for item in value]
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, float):
        return repr(value)
    return value


def differing(found: dict[str, Any] | None, wanted: dict[str, Any] | None) -> dict[str, Any]:
    """The fields that are not equal, or not of one type, with both values."""
    found, wanted = found or {}, wanted or {}
    return {
        name: (found.get(name, "nothing"), wanted.get(name, "nothing"))
        for name in found.keys() | wanted.keys()
        if repr(found.get(name, "nothing")) != repr(wanted.get(name, "nothing"))
    }
