"""Random Avro schemas, and JSON documents for them that fit or nearly fit."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from avro_oracle import FLOATS, INTS, MILLIS, TIMES, is_utf8
from hypothesis import strategies as st

MARK = "\N{SNOWMAN}"  # in every text of a document: an error message that contains it has told a value


@dataclass(frozen=True)
class Raw:
    """A piece of JSON text as it is: a number's spelling, an object with a key twice."""

    text: str


def write(document: Any) -> str:
    """JSON text."""
    if isinstance(document, Raw):
        return document.text
    if isinstance(document, list):
        return f"[{', '.join(map(write, document))}]"
    if isinstance(document, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {write(value)}" for key, value in document.items()) + "}"
    return json.dumps(document, ensure_ascii=False) if is_utf8(document) else json.dumps(document)


symbols = st.lists(st.sampled_from(["A", "B", "long", "null"]), min_size=1, unique=True)


class _Maker:
    """One random schema; `names` has its named types by full name."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.names: dict[str, Any] = {}
        self.open: set[str] = set()  # records whose fields are still being made

    def schema(self, level: int = 0) -> Any:
        kinds = ["plain", "time", "decimal", "named"] + ["record", "array", "map", "union"] * (level < 3)
        kinds += ["again"] * bool(self.names)
        return getattr(self, f"_{self.draw(st.sampled_from(kinds))}")(level)

    def _plain(self, _: int) -> Any:
        plain = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
        annotated = [{"type": "string", "logicalType": "uuid"}, {"type": "long", "logicalType": "unheard-of"}]
        return self.draw(st.sampled_from([*plain, *annotated]))

    def _time(self, _: int) -> Any:
        name = self.draw(st.sampled_from(sorted(TIMES)))
        return {"type": TIMES[name], "logicalType": name}

    def _decimal(self, _: int) -> Any:
        precision = self.draw(st.integers(1, 30))
        more = {"logicalType": "decimal", "precision": precision, "scale": self.draw(st.integers(0, precision))}
        return {"type": "bytes", **more} if self.draw(st.booleans()) else self._name("fixed", size=13, **more)

    def _named(self, _: int) -> Any:
        if self.draw(st.booleans()):
            return self._name("fixed", size=self.draw(st.integers(0, 3)))
        return self._name("enum", symbols=self.draw(symbols))

    def _again(self, _: int) -> Any:
        name = self.draw(st.sampled_from(sorted(self.names)))
        return {"type": "array", "items": name} if name in self.open else name  # or no document would be finite

    def _array(self, level: int) -> Any:
        return {"type": "array", "items": self.schema(level + 1)}

    def _map(self, level: int) -> Any:
        return {"type": "map", "values": self.schema(level + 1)}

    def _union(self, level: int) -> Any:
        """Branches that JSON can tell apart, null among them or not."""
        number = [self.draw(st.sampled_from(kinds)) for kinds in (["int", "long"], ["float", "double"])]
        makers = {
            "boolean": lambda: ["boolean"],
            "number": lambda: self.draw(st.sampled_from([number, number[:1], number[1:]])),
            "text": lambda: [self.draw(st.sampled_from([self._time, self._named, lambda _: "string"]))(level)],
            "list": lambda: [self._array(level + 1)],
            "object": lambda: [self._map(level + 1)],
            "null": lambda: ["null"],
        }
        if self.draw(st.booleans()):
            return self.draw(st.permutations(["null", self._single(level)]))
        chosen = self.draw(st.lists(st.sampled_from(sorted(makers)), unique=True, min_size=1))
        return [branch for name in chosen for branch in makers[name]()]

    def _single(self, level: int) -> Any:
        return getattr(self, f"_{self.draw(st.sampled_from(['time', 'decimal', 'named', 'record', 'array', 'map']))}")(
            level + 1
        )

    def _record(self, level: int) -> Any:
        schema = self._name("record", fields=[])
        self.open.add(schema["name"])
        for number in range(self.draw(st.integers(0, 4))):
            type_ = self.schema(level + 1)
            default = {"default": None} if isinstance(type_, list) and type_[0] == "null" else {}
            schema["fields"].append({"name": f"f{number}", "type": type_, **default})
        self.open.remove(schema["name"])
        return schema

    def _name(self, type_: str, **more: Any) -> dict[str, Any]:
        name = f"test.N{len(self.names)}"
        self.names[name] = {"type": type_, "name": name, **more}
        return self.names[name]


@st.composite
def schemas(draw: Any) -> tuple[Any, dict[str, Any]]:
    """A schema, and its named types."""
    maker = _Maker(draw)
    return maker.schema(), maker.names


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).map(MARK.__add__)
wholes = st.sampled_from([0, 2**24 + 1, 2**31, 2**53 + 1, 2**63, 2**64 + 1, 10**23, 10**400]).flatmap(
    lambda number: st.sampled_from([number, -number, number - 1, -number - 1])
)
spellings = st.sampled_from(
    [
        "1E400",
        "-1e400",
        "1e-400",
        "-0",
        "-0.0",
        "1.0",
        "1e3",
        "1.10",
        "0.1",
        "1e19",
        "1e9999",
        "3.4028235677973366e38",
        "-7.038531e-26",  # its double is the middle of two floats
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        *("0." + "3" * 400, "9" * 309, "9" * 4400),
    ]
).map(Raw)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), wholes, spellings, words, st.just("\ud800" + MARK))
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=5
)
clocks = st.builds(
    "{}:{}:{}{}".format,
    *(st.integers(0, most).map("{:02}".format) for most in (23, 59, 59)),
    st.sampled_from(["", ".5", ".12", ".123", ".123000", ".000001", ".999999"]),
)
days = st.dates().map(str)
offsets = st.sampled_from(["Z", "+00", "+00:00", "+0530", "-05:30", "+00:19:32", "-23:59:59"])


class _Filler:
    """Documents of one schema; with `misses`, each value may be something near it instead."""

    def __init__(self, draw: Any, names: dict[str, Any], *, misses: bool) -> None:
        self.draw = draw
        self.names = names
        self.misses = misses

    def document(self, schema: Any, level: int = 0) -> Any:
        fitting = self._fitting(schema, level)
        if not self.misses or self.draw(st.integers(0, 7)):
            return fitting
        return self.draw(anything | st.just(None)) if self.draw(st.booleans()) else self._near(fitting)

    def _near(self, value: Any) -> Any:
        """Something that has the shape of `value`: as a list, cut, with a character changed, wrapped, or twice."""
        if not isinstance(value, str) or not value:
            return self.draw(st.sampled_from([[value], {MARK: value}, [], {}, Raw(f"{write(value)} ")]))
        at = self.draw(st.integers(0, len(value) - 1))
        other = self.draw(st.sampled_from("0159-:.,TZ+W \u0663\n\0" + MARK))
        return self.draw(
            st.sampled_from(
                [
                    *(list(value), dict.fromkeys(value, 1), [char if char in "-:.,T+" else "a" for char in value]),
                    *(value[:at], value[:at] + other + value[at + 1 :], value[:at] + other + value[at:]),
                    *(value + other, value.swapcase(), value * 2),
                ]
            )
        )

    def _fitting(self, schema: Any, level: int) -> Any:
        if isinstance(schema, list):
            branch = self.draw(st.sampled_from(["null"] if level > 6 and "null" in schema else schema))
            if branch in ("float", "double") and ("int" in schema or "long" in schema):
                return self.draw(st.integers(-999, 999).map(lambda number: number / 8))  # a whole one is for the other
            return self._fitting(branch, level)
        if isinstance(schema, str):
            schema = self.names.get(schema, {"type": schema})
        kind, logical = schema["type"], schema.get("logicalType")
        if kind == "record":
            fields = [f for f in schema["fields"] if "default" not in f or self.draw(st.integers(0, 4))]
            extra = {"unknown": 1} if self.misses and not self.draw(st.integers(0, 9)) else {}
            return {field["name"]: self.document(field["type"], level + 1) for field in fields} | extra
        if kind in ("array", "map"):
            count = 0 if level > 6 else self.draw(st.integers(0, 3))
            items = [self.document(schema["items" if kind == "array" else "values"], level + 1) for _ in range(count)]
            return items if kind == "array" else {f"{MARK}{number}": item for number, item in enumerate(items)}
        return self.draw(_scalars(kind, logical, schema))


def _scalars(kind: str, logical: str | None, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if logical == "decimal":
        most = 10 ** schema["precision"] - 1
        exact = st.integers(-most, most).map(lambda number: f"{number}e-{schema['scale']}")
        return exact | exact.map(Raw)
    if logical == "date":
        return days
    if TIMES.get(logical or "") == kind:
        time_ = clocks.filter(lambda clock: logical not in MILLIS or len(clock) < 13 or clock.endswith("000"))
        if str(logical).startswith("time-"):
            return time_
        offset = st.just("") if str(logical).startswith("local-") else offsets
        middle = st.dates(date(2, 1, 1), date(9998, 1, 1)).map(str)
        return st.builds("{}{}{}{}".format, middle, st.sampled_from("T "), time_, offset)
    if kind in INTS:
        most = 2 ** INTS[kind]
        return st.integers(-most, most - 1)
    if kind in FLOATS:
        given = st.floats(allow_nan=False, allow_infinity=False, width=32 if kind == "float" else 64)
        return given | given.map(lambda number: Raw(_as_postgres_prints(number, FLOATS[kind])))
    if kind in ("bytes", "fixed"):
        size = schema.get("size")
        return st.binary(min_size=size or 0, max_size=9 if size is None else size).map(lambda data: f"\\x{data.hex()}")
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "string":
        return st.uuids().map(str) if logical == "uuid" else words
    return st.none() if kind == "null" else st.booleans()


def _as_postgres_prints(number: float, form: str) -> str:
    """As jsonb prints it: the fewest digits that tell it from its neighbours, without an exponent."""
    spelled = (f"{number:.{digits}e}" for digits in range(17))
    return format(Decimal(next(text for text in spelled if _packed(form, float(text)) == _packed(form, number))), "f")


def _packed(form: str, number: float) -> bytes:
    try:
        return struct.pack(form, number)
    except OverflowError:
        return b""


@st.composite
def documents(draw: Any, schema: Any, names: dict[str, Any], *, misses: bool) -> str:
    """JSON text for a schema: what fits, or with `misses` what may not."""
    return write(_Filler(draw, names, misses=misses).document(schema))
