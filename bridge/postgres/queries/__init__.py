"""The statements that this program sends, one a file; `sql/` has what the database keeps."""

from __future__ import annotations

from typing import Final

from bridge.resources import statements

query: Final = statements("postgres", "queries")  # the text of `<name>.sql` beside this module
