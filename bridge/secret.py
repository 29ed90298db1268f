"""Passwords that this process knows, taken out of what others say: a library's exception may repeat its arguments.

Our own messages hold none. So this is for the texts of exceptions alone, where a short password that is also a word
(`bridge`) would else be taken out of everything.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
LEAST_CHARACTERS: Final = 4  # of less, nothing would be left to read

_known: set[str] = set()


def remember(value: str) -> None:
    """Hide this from now on, as it is and as URLs have it."""
    for form in (value, unquote(value), quote(value, safe="", errors="surrogatepass"), repr(value)[1:-1]):
        if len(form) >= LEAST_CHARACTERS:
            _known.add(form)


def hidden(text: str) -> str:
    """The text without the secrets that are known, the longest first."""
    for one in sorted(_known, key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return text
