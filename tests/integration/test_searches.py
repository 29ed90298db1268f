"""Searches in the reference application's views, by index: `make views` has the times with a million contacts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from contacts import OF_A_TERRITORY, SEARCHES, fill, plan
from fix_database import _database

from bridge.local.stack import Endpoints

Db = psycopg.Connection[Any]
INDEXES = {
    "email, in any case": {"idx_contact_management_view_email_any_case"},
    "how an email begins": {"idx_contact_management_view_email_any_case"},
    "how a last name begins": {"idx_contact_management_view_last_name"},
    "how last and first name begin": {"idx_contact_management_view_last_name"},
    "words of a name, whole or begun": {"idx_contact_management_view_words"},
    "name of a territory, in any case": {"idx_territory_management_view_name_any_case"},
    "all contacts of a territory": {
        *["idx_territory_management_view_name_any_case", "link_is_unique", "contact_management_view_key"]
    },
    "those whose name begins so": {"idx_territory_management_view_name_any_case", "link_is_unique"},
}


@pytest.fixture(scope="module")
def db(servers: Endpoints, migrated_template: str) -> Iterator[Db]:
    with (
        _database(servers.database_url, template=migrated_template) as url,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        fill(conn, 20_000)
        assert conn.execute("select bridge.refresh_views()").fetchone() == (3,)
        conn.execute("vacuum analyze")
        yield conn


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_finds_by_index(db: Db, search: str) -> None:
    found = plan(db, SEARCHES[search])
    assert INDEXES[search] <= set(re.findall(r"(?:using|Index Scan on) (\w+)", found)), found
    assert not re.search(r"Seq Scan", found), found


@pytest.mark.parametrize(
    ("search", "rows"),
    [("email, in any case", 1), ("how a last name begins", 10), ("words of a name, whole or begun", 1)],
)
def test_a_search_finds_what_there_is(db: Db, search: str, rows: int) -> None:
    assert db.execute(SEARCHES[search].encode()).fetchone() == (rows,)


def test_a_territory_has_its_contacts(db: Db) -> None:
    linked = "select contact_count from crm.territory_management_view where name = 'Territory 1'"
    assert db.execute(OF_A_TERRITORY.encode()).fetchone() == db.execute(linked).fetchone()


def test_the_longest_names_and_emails_fit_into_every_index(db: Db) -> None:
    """A B-tree refuses entries of more than 2,704 bytes: then the view could not be refreshed any more."""
    long, words = "\N{GRINNING FACE}" * 200, " ".join(["\N{LATIN CAPITAL LETTER O WITH DIAERESIS}" * 9] * 20)
    for number, (first, last, email) in enumerate([(long, long, long[:200] + "@" + "x" * 119), (words, words, None)]):
        db.execute(
            "select crm.fn_create_entity(id, jsonb_build_object('first_name', %s::text, 'last_name', %s::text,"
            " 'email', %s::text)) from crm.entity_types where display_name = 'Contact'",
            (first, last, email),
        )
        assert db.execute("select bridge.refresh_views()").fetchone() == (3,), number
