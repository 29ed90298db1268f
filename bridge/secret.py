"""Passwords that this process knows, taken out of what others say: a library's exception may repeat its arguments.

Our own messages hold none. So this is for the texts of exceptions alone, where a short password that is also a word
(`bridge`) would else be taken out of everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
LEAST_CHARACTERS: Final = 4  # of less, nothing would be left to read

# What may be the password of a URL, or of a keyword string, whether or not anybody can make sense of it.
PASSWORD: Final = re.compile(
    r"""//[^:@/]*:(?P<url>.+)@|(?:password|secret)\s*=\s*"""
    r"""(?:'(?P<quoted>(?:\\.|[^'])*)'|(?P<plain>(?P<parameter>[^&\s]*)\S*))"""
)
ESCAPED: Final = re.compile(r"\\(.)")  # in a keyword string of libpq's

_known: set[str] = set()


def remember(value: str) -> None:
    """Hide this from now on, as it is and as URLs have it; and what may be the password in it."""
    parts = [part for match in PASSWORD.finditer(value) for part in match.groups() if part]
    for one in (value, *parts, *(ESCAPED.sub(r"\1", part) for part in parts)):
        _known.update(form for form in _forms(one) if len(form) >= LEAST_CHARACTERS)


def _forms(one: str) -> Iterator[str]:
    """As others may write it: in a URL, in JSON, and as Python shows text and bytes."""
    for text in (one, unquote(one)):
        yield text
        yield quote(text, safe="", errors="surrogatepass")
        yield from (json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
        yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(text.encode(errors="surrogatepass"))[2:-1])


def hidden(text: str) -> str:
    """The text without the secrets that are known, the longest first."""
    for one in sorted(_known, key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return text
