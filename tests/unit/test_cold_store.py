"""Which locations of cold files are refused before anybody looks at them."""

from __future__ import annotations

import pytest

from bridge.errors import ConfigError
from bridge.keeping.cold_store import absolute


@pytest.mark.parametrize(
    "location",
    [
        "s3://us:canary@bucket/x",
        "simplecache::s3://us:canary@bucket/x",
        "simplecache::s3://us:cana::ry@bucket/x",
        "filecache::simplecache::sftp://us:canary@host/x",
    ],
)
def test_a_password_stands_in_no_part_of_a_location(location: str) -> None:
    with pytest.raises(ConfigError, match="a password must not stand in the location") as refused:
        absolute(location)
    assert "cana" not in str(refused.value)


@pytest.mark.parametrize("location", ["/srv/cold[1]", "/srv/cold?", "s3://bucket/*/cold"])
def test_files_are_not_put_where_a_pattern_would_not_find_them(location: str) -> None:
    """Else an erasure would overlook them."""
    with pytest.raises(ConfigError, match="stands in the location"):
        absolute(location)
