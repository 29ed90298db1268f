"""A table whose values something on the way might not bear."""

from __future__ import annotations

from fix_archive import Shelf

HOSTILE = {
    "small smallint": ["'-32768'", "32767"],
    "whole integer": ["-2147483648", "2147483647"],
    "big bigint": ["-9223372036854775808", "9223372036854775807"],
    "truth boolean": ["true", "false"],
    "single real": ["'nan'", "'-infinity'", "'-0'", "0.1", "1.17549435e-38", "3.40282347e+38", "1e-45"],
    "double float8": ["'nan'", "'infinity'", "'-0'", "0.1", "5e-324", "1.7976931348623157e308"],
    "exact numeric": ["'nan'", "'infinity'", "'1e-16383'", "12345678901234567890.12345678901234567890"],
    "price numeric(12, 4)": ["12.5000", "-99999999.9999"],
    '"text ""quoted"" \\ %s {} $1 é 漢" text': [
        "''",
        "'null'",
        "'NULL'",
        "'-'",
        r"'\N'",
        "E'a\\tb\\nc\\rd\\\\'",
        "E'\\u0001\\u001f\\u007f\\u2028'",
        "'😀'",
    ],
    '"SELECT" varchar(10)': ["'x   '", "repeat('é', 10)"],
    "padded char(6)": ["'x'", "''", "'  x'"],
    '"char" "char"': ["'x'", "''"],
    '"name" name': ["'bridge'"],
    "bytes bytea": [r"'\x'", r"'\x00ff5c'", "decode(repeat('00ff', 500), 'hex')"],
    "id uuid": ["'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()"],
    "moment timestamptz": [
        "'infinity'",
        "'-infinity'",
        "'294276-12-31 23:59:59.999999+00'",
        "'4713-01-01 00:00:00+00 BC'",
        "'1969-12-31 23:59:59.999999+00'",
        "'0001-01-01 00:00:00+00'",
        "'9999-12-31 23:59:59.999999+00'",
        "'10000-01-01 00:00:00+00'",
        "'0001-12-31 23:59:59.999999+00 BC'",
        "'2026-03-29 01:30:00.000001+00'",
    ],
    "local timestamp": ["'infinity'", "'294276-12-31 23:59:59.999999'", "'1900-01-01'", "'2026-10-25 02:30:00.1'"],
    "day date": ["'infinity'", "'5874897-12-31'", "'4713-01-01 BC'"],
    "hour timetz": ["'24:00:00+15:59'", "'00:00:00.000001-15'"],
    "span interval": ["'1 year -2 mons 3 days -04:05:06.000007'", "'-178000000 years'"],
    "money money": ["'-92233720368547758.08'", "'1.5'"],
    "document jsonb": [
        """'{"a": [null, 1.10, 1e400, "\\u00e9\\u2028\\u0001"], "": {"NULL": "\\"x\\\\"}}'""",
        "'null'",
        "'{}'",
        "'\"\"'",
    ],
    "words json": ["""'{"b": 1, "a": "\\u0000", "a":  2}'""", "' null '"],
    "tags text[]": ["'{}'", """array['', null, 'NULL', '"', '{', ',', E'\\\\', ' ']""", "'[0:1][-2:-1]={{a,b},{c,d}}'"],
    "numbers bigint[]": ["array[null, 9223372036854775807]"],
    "address inet": ["'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4/128'"],
    "network cidr": ["'10.0.0.0/8'"],
    "mac macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "transaction xid8": ["'18446744073709551615'"],
    "snapshot pg_snapshot": ["'10:20:10,14,15'", "pg_current_snapshot()"],
    "place tid": ["'(4294967295,65535)'"],
    "wal pg_lsn": ["'FFFFFFFF/FFFFFFFF'"],
    "bits bit varying": ["B''", "B'0101'"],
    "range tstzrange": ["'empty'", "'(-infinity,infinity)'", "'[2020-01-01,)'"],
    "ranges int4multirange": ["'{}'", "'{[1,3), [5,9)}'"],
    "search tsvector": ["'a:1A b''c:2'::tsvector"],
    "form polygon": ["'((0.1,1e-300),(2,3))'"],
    "relation regclass": ["'bridge.outbox'", "4294967295::regclass"],
    "kind regtype": ["'integer'"],
    'feeling public."Mood é"': ["'so, \"so\"'", "''"],
    "pair public.pair": ["row(null, null)", "row(1, 'a,b\"c')"],
    "positive public.positive": ["1.50"],
    "letters public.letters": ["array['a', '']"],
}
TYPES = """
    create type public."Mood é" as enum ('', 'so, "so"');
    create type public.pair as (number int, "text" text);
    create domain public.positive as numeric check (value > 0);
    create domain public.letters as text[];
"""


def hostile(shelf: Shelf, table: str) -> None:
    """A table with a column for each, and a row for each value; the last row is null throughout."""
    shelf.db.execute(TYPES)
    columns = list(HOSTILE)
    shelf.db.execute(
        f"create table {table} ({', '.join(columns)}, twice bigint generated always as (big / 2) stored)".encode()
    )
    for number, values in enumerate(HOSTILE.values()):
        for value in values:
            row = ", ".join(value if n == number else "null" for n in range(len(HOSTILE)))
            shelf.db.execute(f"insert into {table} values ({row})".encode())
    shelf.db.execute(f"insert into {table} default values".encode())
