"""The statements about the inbox, one a file; `inbox.sql` beside this package makes its tables."""

from __future__ import annotations

from typing import Final

from bridge.resources import statements

query: Final = statements("consumer", "queries")  # the text of `<name>.sql` beside this module
