"""What this process knows as a secret is found in no form in which others' texts may repeat it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from bridge import secret

PASSWORD = "h\u00e4 'c4n4ry\\\"/@"  # noqa: S105


@pytest.fixture(autouse=True)
def _knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_known", set())


KEYWORDS = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
GIVEN = {
    "itself": PASSWORD,
    "a URL": f"postgresql://us:{quote(PASSWORD, safe='')}@db/x",
    "a parameter of a URL": f"postgresql://db/x?user=us&password={quote(PASSWORD, safe='')}&sslmode=require",
    "a keyword string": f"host=db password = '{KEYWORDS}' user=us",
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN.keys())
def test_it_is_hidden_in_each_form(given: str) -> None:
    secret.remember(given)
    forms = {
        "as it is": PASSWORD,
        "in a URL": quote(PASSWORD, safe=""),
        "JSON": json.dumps(PASSWORD),
        "JSON with letters": json.dumps(PASSWORD, ensure_ascii=False),
        "text": repr(PASSWORD),
        "ASCII": ascii(PASSWORD),
        "bytes": repr(PASSWORD.encode()),
    }
    found = {name: secret.hidden(text) for name, text in forms.items()}
    assert all("c4n4ry" not in text and secret.HIDDEN in text for text in found.values()), found


def test_what_stands_beside_it_is_not_taken_for_it() -> None:
    secret.remember("postgresql://db/x?password=hunter22&sslmode=require")
    assert secret.hidden("hunter22, sslmode=require") == "***, sslmode=require"
