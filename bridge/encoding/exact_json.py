"""JSON whose numbers are not rounded while they are read; orjson, several times as fast, makes doubles of them.

Both raise ValueError, RecursionError; `exact_json` also decimal's ArithmeticError for an exponent of twenty digits.
"""

from __future__ import annotations

from decimal import Decimal
from json import JSONDecoder
from typing import Any, Final

import orjson


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# With int for whole numbers and Decimal for others.
exact_json: Final = JSONDecoder(parse_float=Decimal, parse_constant=_refuse).decode
# With every number as it is spelled; orjson.dumps() writes it so again.
verbatim_json: Final = JSONDecoder(
    parse_float=orjson.Fragment, parse_int=orjson.Fragment, parse_constant=_refuse
).decode
