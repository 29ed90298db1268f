"""What keeps a reader from reading: each rule by its name, with what it says and how it is mended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

LONGEST: Final = 300  # characters of a name


class Rule(StrEnum):
    """The rules, whose names are part of what people's pipelines look for, and do not change."""

    TYPE_MISMATCH = "type-mismatch"
    NULL_NOT_READ = "null-not-read"
    NAME_MISMATCH = "name-mismatch"
    FIXED_SIZE = "fixed-size"
    ENUM_SYMBOL_MISSING = "enum-symbol-missing"
    READER_FIELD_MISSING_DEFAULT = "reader-field-missing-default"
    READER_FIELD_INVALID_DEFAULT = "reader-field-invalid-default"
    UNION_BRANCH_MISSING = "union-branch-missing"
    DECIMAL_SCALE = "decimal-scale"
    DECIMAL_PRECISION = "decimal-precision"
    LOGICAL_TYPE = "logical-type"
    FIELD_ALIAS_AMBIGUOUS = "field-alias-ambiguous"
    TYPE_ALIAS_AMBIGUOUS = "type-alias-ambiguous"
    TOO_LARGE = "too-large"


@dataclass(frozen=True)
class Problem:
    """One place where records of the writer's schema cannot be read, or not rightly, with the reader's.

    `path` is where, in the reader's names: `$` the whole, `.field`, `[]` an array's items, `{}` a map's values,
    `<type>` a union's branch. `message` names both schemas and what is in them, `mend` what may be done.
    """

    path: str
    rule: Rule
    message: str
    mend: str


class Text(NamedTuple):
    """Of a rule: its message, and the mend where the reader's or the writer's schema is the new one.

    `{reader}` and `{writer}` are the schemas' titles, `{theirs}` and `{ours}` what the writer and the reader have.
    """

    message: str
    reader_is_new: str
    writer_is_new: str


TEXTS: Final = {
    Rule.TYPE_MISMATCH: Text(
        "{reader} reads {ours}, and {writer} has {theirs}, which is not promoted to it",
        "Keep {theirs}, or read a type that it is promoted to; or add a field of a new name with a default",
        "Keep {ours}, or write a type that is promoted to it; or add a field of a new name and keep this one",
    ),
    Rule.NULL_NOT_READ: Text(
        "{reader} reads {ours}, which is never null, and {writer} may write null",
        "Make it a union with null",
        "Write no null before its readers have a union with null",
    ),
    Rule.UNION_BRANCH_MISSING: Text(
        "{reader} reads a {ours}, and {writer} may write {theirs}, for which there is no branch",
        "Add {theirs} to the union",
        "Write only what the union has; add a branch once all readers know it",
    ),
    Rule.NAME_MISMATCH: Text(
        "{reader} calls the type {ours}, and {writer} calls it {theirs}",
        "Keep the name, or give the type the former one for an alias",
        "Keep the name; a reader that knows another only by an alias must be there first",
    ),
    Rule.FIXED_SIZE: Text(
        "{reader} reads a fixed of {ours} bytes, and {writer} writes {theirs}",
        "Keep the size, or add a field of a new name with a default",
        "Keep the size, or add a field of a new name and keep this one",
    ),
    Rule.ENUM_SYMBOL_MISSING: Text(
        "{reader} does not know what {writer} may write, {theirs}, and its enum {ours} has no default",
        "Keep the symbols, or give the enum a default",
        "Write no new symbol before its readers know it, or give their enum a default first",
    ),
    Rule.READER_FIELD_MISSING_DEFAULT: Text(
        "{reader} has the field {ours} without a default, and {writer} does not write it",
        "Give the field a default",
        "Keep the field; give it a default first, if it is to go",
    ),
    Rule.READER_FIELD_INVALID_DEFAULT: Text(
        "{writer} does not write the field {ours}, and in {reader} its default is not {theirs}",
        "Correct the default",
        "Keep the field; correct its default first, if it is to go",
    ),
    Rule.DECIMAL_SCALE: Text(
        "{reader} reads {ours}, and {writer} has {theirs}: another scale, so each value would be off by powers of ten",
        "Keep the scale, or add a field of a new name with a default",
        "Keep the scale, or add a field of a new name and keep this one",
    ),
    Rule.DECIMAL_PRECISION: Text(
        "{reader} reads {ours}, and {writer} has {theirs}: more digits than its reader is told of",
        "Keep the precision, or take a larger one",
        "Keep the precision until its readers have a larger one",
    ),
    Rule.LOGICAL_TYPE: Text(
        "{reader} reads {ours}, and {writer} has {theirs}: the same bytes would mean another value",
        "Keep the logical type, or add a field of a new name with a default",
        "Keep the logical type, or add a field of a new name and keep this one",
    ),
    Rule.FIELD_ALIAS_AMBIGUOUS: Text(
        "fields and aliases of {reader} and of {writer} leave open which is which: {ours} of the one, {theirs} of the "
        "other",
        "Let each name stand for one field: take the alias away, or name the new field otherwise",
        "Keep to one of the names",
    ),
    Rule.TYPE_ALIAS_AMBIGUOUS: Text(
        "{writer} has the type {theirs}, and in {reader} that may be {ours}",
        "Let each name stand for one type: take the alias away, or name the new type otherwise",
        "Keep to names that mean one type",
    ),
    Rule.TOO_LARGE: Text(
        "{reader} and {writer} were compared no further than {ours}",
        "Make the schema smaller",
        "Make the schema smaller",
    ),
}


def problem(rule: Rule, path: str, *, writer_is_new: bool, **names: object) -> Problem:
    """The problem with its texts; `names` are those of `Text`, of which the beginning is told."""
    text = TEXTS[rule]
    shown = {name: shortened(str(value)) for name, value in names.items()}
    mend = text.writer_is_new if writer_is_new else text.reader_is_new
    return Problem(path, rule, text.message.format(**shown), mend.format(**shown))


def shortened(text: str) -> str:
    """Of a name that was made to fill the memory: its beginning."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
