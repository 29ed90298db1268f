"""Passwords that this process knows, taken out of what others say: a library's exception may repeat its arguments.

Our own messages hold none. So this is for the texts of exceptions alone, where a short password that is also a word
(`bridge`) would else be taken out of everything.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
LEAST_CHARACTERS: Final = 4  # of less, nothing would be left to read

# What may be the password of a URL, or of a keyword string, whether or not anybody can make sense of it.
PASSWORD: Final = re.compile(
    r"""//[^:@/]*:(?P<url>.+)@|(?:password|secret)\s*=\s*(?:'(?P<quoted>(?:\\.|[^'])*)'|(?P<plain>\S+))"""
)

_known: set[str] = set()


def remember(value: str) -> None:
    """Hide this from now on, as it is and as URLs have it; and what may be the password in it."""
    parts = [part for match in PASSWORD.finditer(value) for part in match.groups() if part]
    for one in (value, *parts):
        for form in (one, unquote(one), quote(one, safe="", errors="surrogatepass"), repr(one)[1:-1]):
            if len(form) >= LEAST_CHARACTERS:
                _known.add(form)


def hidden(text: str) -> str:
    """The text without the secrets that are known, the longest first."""
    for one in sorted(_known, key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return text
