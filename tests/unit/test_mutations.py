"""`make mutations` removes what is really there."""

from __future__ import annotations

import pytest
from mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_it_stands_there_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new not in ("", mutation.old) or mutation.new == ""
    assert (ROOT / mutation.tests.split()[0]).exists()
