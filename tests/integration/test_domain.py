"""The reference application's functions: what they write, what they publish, and each error that they raise."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import fastavro
import psycopg
import pytest
from fix_relay import eventually
from psycopg import errors

from bridge.configuration.load import load
from bridge.demo.run import shipped_configuration
from bridge.encoding.avro.library import load_schema

Json = dict[str, Any]
SUBJECTS = {route.event_type: route.subject for route in load(shipped_configuration(), {}).routes}
FULL: dict[str, Json] = {
    "Contact": {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada@example.org",
        "phone": "+44 20 7946 0000",
        "company": "Analytical Engines",
        "job_title": "Programmer",
    },
    "Address": {
        "street": "12 St James's Sq",
        "city": "London",
        "state": "Middlesex",
        "postal_code": "SW1Y",
        "country": "GB",
    },
    "Opportunity": {
        "name": "Engine No. 2",
        "stage": "PROPOSAL",
        "amount": 1234567.89,
        "currency": "GBP",
        "probability": 40,
        "close_date": "2027-02-28",
    },
    "Territory": {"name": "South East", "region": "England", "country": "GB", "description": 'Grüße, 東京 \u2028 \\ "'},
}
SHORT: dict[str, Json] = {
    "Contact": {"first_name": "Ada", "last_name": "Lovelace"},
    "Address": {"street": "12 St James's Sq", "city": "London"},
    "Opportunity": {"name": "Engine No. 2"},
    "Territory": {"name": "South East"},
}
TABLES = {"Contact": "contacts", "Address": "addresses", "Opportunity": "opportunities", "Territory": "territories"}


class Crm:
    """The functions, called as an application would call them."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn = conn
        self.types: dict[str, UUID] = dict(
            conn.execute("select display_name, id from crm.entity_types").fetchall()  # type: ignore[arg-type]
        )

    def value(self, query: str, *arguments: Any) -> Any:
        row = self.conn.execute(query.encode(), arguments).fetchone()
        return row and row[0]

    def create(self, kind: str, data: Json | None = None) -> UUID:
        given = json.dumps(SHORT[kind] if data is None else data)
        created = self.value("select crm.fn_create_entity(%s, %s::jsonb)", self.types[kind], given)
        assert isinstance(created, UUID)
        return created

    def update(self, entity: UUID, data: Json) -> bool:
        return bool(self.value("select crm.fn_update_entity(%s, %s::jsonb)", entity, json.dumps(data)))

    def delete(self, entity: UUID) -> None:
        self.value("select crm.fn_delete_entity(%s)", entity)

    def link(self, one: UUID, two: UUID, relationship_type: str = "RESIDENCE") -> None:
        self.value("select crm.fn_link_entities(%s, %s, %s)", one, two, relationship_type)

    def unlink(self, one: UUID, two: UUID, relationship_type: str = "RESIDENCE") -> None:
        self.value("select crm.fn_unlink_entities(%s, %s, %s)", one, two, relationship_type)

    def events(self, event_type: str = "%") -> list[tuple[str, str, Json]]:
        query = "select event_type, event_key, payload from bridge.event_queue where event_type like %s order by seq"
        return self.conn.execute(query, (event_type,)).fetchall()

    def kind(self, entity: UUID) -> str:
        type_id = self.value("select entity_type_id from crm.entities where id = %s", entity)
        return next(kind for kind, known in self.types.items() if known == type_id)

    def row(self, kind: str, entity: UUID) -> Json:
        row = self.value(f"select to_jsonb(t) from crm.{TABLES[kind]} as t where id = %s", entity)
        assert isinstance(row, dict)
        return row


@pytest.fixture
def crm(database: str) -> Iterator[Crm]:
    with psycopg.connect(database, autocommit=True) as conn:
        yield Crm(conn)


def decoded(event_type: str, payload: str) -> Json:
    """What a consumer reads: the payload through our encoder and another's decoder."""
    schema = load_schema(SUBJECTS[event_type], None)
    value = fastavro.schemaless_reader(io.BytesIO(schema.encode(payload)), json.loads(schema.text), None)
    assert isinstance(value, dict)
    return value


def published(crm: Crm) -> list[tuple[str, str, Json]]:
    rows = crm.conn.execute("select event_type, event_key, payload::text from bridge.event_queue order by seq")
    return [(event_type, key, decoded(event_type, payload)) for event_type, key, payload in rows]


def is_recent(moment: datetime) -> bool:
    return moment.tzinfo is not None and timedelta(0) <= datetime.now(UTC) - moment < timedelta(minutes=5)


# Creating


@pytest.mark.parametrize("examples", [FULL, SHORT], ids=["full", "short"])
def test_create(crm: Crm, examples: dict[str, Json]) -> None:
    for kind, data in examples.items():
        entity = crm.create(kind, data)

        query = "select entity_type_id = %s and status = 'ACTIVE' from crm.entities where id = %s"
        assert crm.value(query, crm.types[kind], entity) is True
        row = crm.row(kind, entity)
        assert {name: row[name] for name in data} == data
        event_type, key, payload = crm.events()[-1]
        assert (event_type, key) == (f"{kind.lower()}.created", str(entity))
        assert (payload["id"], payload["status"]) == (str(entity), "ACTIVE")
        assert set(payload) == set(row) | {"status"}


def test_a_payload_is_what_was_written(crm: Crm) -> None:
    for kind, data in FULL.items():
        entity = crm.create(kind, {**data, "status": "INACTIVE"})
        event_type, key, value = published(crm)[-1]
        assert (event_type, key) == (f"{kind.lower()}.created", str(entity))
        assert value.pop("id") == entity
        assert value.pop("status") == "INACTIVE"
        assert is_recent(value.pop("created_at"))
        assert is_recent(value.pop("updated_at"))
        if kind == "Opportunity":
            data = {**data, "amount": Decimal("1234567.89"), "close_date": date(2027, 2, 28)}
        assert value == data


def test_every_event_type_has_a_schema_that_fits(crm: Crm) -> None:
    for kind in FULL:
        entity, other = crm.create(kind, FULL[kind]), crm.create(kind)
        crm.update(entity, {"status": "ARCHIVED"})
        crm.link(entity, other, "SIBLING")
        crm.value("select crm.fn_add_touchpoint(%s, 'CALL', 'who called whom', 'INBOUND')", entity)
        crm.value("select crm.fn_add_touchpoint(%s, 'VISIT')", other)
        crm.unlink(entity, other, "SIBLING")
        crm.delete(other)
    events = published(crm)

    assert {event_type for event_type, _, _ in events} | {"entity.changed"} == set(SUBJECTS)
    updated = next(value for event_type, _, value in events if event_type == "address.updated")
    assert updated["changed_fields"] == ["status"]
    assert updated["city"] == "London"
    deleted = next(value for event_type, _, value in events if event_type == "address.deleted")
    assert set(deleted) == {"id", "deleted_at"}
    assert is_recent(deleted["deleted_at"])
    touched = next(value for event_type, _, value in events if event_type == "touchpoint.added")
    assert (touched["channel"], touched["direction"], touched["summary"]) == ("CALL", "INBOUND", "who called whom")
    linked = next(value for event_type, _, value in events if event_type == "entity.linked")
    assert (linked["entity1_type"], linked["entity2_type"]) == ("Contact", "Contact")


def test_columns_that_are_not_given_keep_their_defaults(crm: Crm) -> None:
    row = crm.row("Opportunity", crm.create("Opportunity"))
    assert (row["stage"], row["currency"], row["amount"]) == ("PROSPECTING", "USD", None)


@pytest.mark.parametrize(
    ("zone", "style"), [("America/New_York", "SQL, DMY"), ("Asia/Kathmandu", "German"), ("UTC", "Postgres, MDY")]
)
def test_payloads_do_not_depend_on_the_session(crm: Crm, zone: str, style: str) -> None:
    crm.conn.execute(f"set timezone = '{zone}'; set datestyle = '{style}'; set intervalstyle = 'sql_standard'")
    crm.conn.execute("set extra_float_digits = -15; set bytea_output = 'escape'")
    entity = crm.create("Opportunity", {**FULL["Opportunity"], "close_date": "2027-02-03"})
    crm.update(entity, {"close_date": "2027-04-05", "amount": 0.10})
    crm.delete(entity)

    created, updated, deleted = (payload for _, _, payload in crm.events())
    assert (created["close_date"], updated["close_date"]) == ("2027-02-03", "2027-04-05")
    assert (created["amount"], updated["amount"]) == ("1234567.89", "0.10")
    for payload, name in ((created, "created_at"), (created, "updated_at"), (deleted, "deleted_at")):
        assert len(payload[name]) == len("2027-01-31T23:59:59.123456Z")
        assert is_recent(datetime.fromisoformat(payload[name]))


REFUSED: list[tuple[str, Any, type[psycopg.Error], str]] = [
    ("Contact", {"first_name": "A", "last_name": "B", "emial": "x", "nick": 1}, errors.InvalidParameterValue,
     'unknown key "emial", "nick" in the data of Contact'),
    ("Contact", {"first_name": "A", "last_name": "B", "id": str(uuid4())}, errors.InvalidParameterValue,
     'unknown key "id"'),
    ("Contact", {"first_name": "A"}, errors.NotNullViolation, 'the data of Contact needs a value for "last_name"'),
    ("Contact", {}, errors.NotNullViolation, 'needs a value for "first_name", "last_name"'),
    ("Contact", {"first_name": "A", "last_name": None}, errors.NotNullViolation, 'needs a value for "last_name"'),
    ("Address", {"street": "A", "city": "B", "country": None}, errors.NotNullViolation, 'a value for "country"'),
    ("Contact", {"first_name": "A", "last_name": 5}, errors.DatatypeMismatch,
     '"last_name" in the data of Contact must be a JSON string, not number'),
    ("Contact", {"first_name": "A", "last_name": {"x": 1}}, errors.DatatypeMismatch, "string, not object"),
    ("Opportunity", {"name": "A", "amount": "12"}, errors.DatatypeMismatch, '"amount".*number, not string'),
    ("Opportunity", {"name": "A", "probability": 1.5}, errors.InvalidTextRepresentation, '"probability".*integer'),
    ("Opportunity", {"name": "A", "amount": 1e15}, errors.NumericValueOutOfRange, '"amount".*overflow'),
    ("Opportunity", {"name": "A", "close_date": "soon"}, errors.InvalidDatetimeFormat, '"close_date".*"soon"'),
    ("Opportunity", {"name": "A", "close_date": "infinity"}, errors.CheckViolation, "calendar"),
    ("Opportunity", {"name": "A", "stage": "LUCKY"}, errors.CheckViolation, "stage_is_known"),
    ("Opportunity", {"name": "A", "probability": 101}, errors.CheckViolation, "probability_is_a_percentage"),
    ("Opportunity", {"name": "A", "amount": -1}, errors.CheckViolation, "amount_is_not_negative"),
    ("Contact", {"first_name": "A", "last_name": "B", "email": "x"}, errors.CheckViolation, "email_has_an_at"),
    ("Contact", {"first_name": "A", "last_name": "B", "status": "GONE"}, errors.CheckViolation, "status_is_known"),
    ("Contact", {"first_name": "A", "last_name": "B", "status": None}, errors.NotNullViolation, '"status"'),
    ("Contact", [], errors.InvalidParameterValue, "the data of Contact must be a JSON object, not array"),
    ("Contact", "x", errors.InvalidParameterValue, "object, not string"),
]  # fmt: skip


def test_create_refuses(crm: Crm) -> None:
    for kind, data, error, message in REFUSED:
        with pytest.raises(error, match=message):
            crm.create(kind, data)
    assert crm.value("select count(*) from crm.entities") == 0
    assert crm.events() == []


def test_hints_name_the_known_keys(crm: Crm) -> None:
    with pytest.raises(errors.InvalidParameterValue) as caught:
        crm.create("Territory", {"nmae": "x"})
    assert caught.value.diag.message_hint == "Known keys are: country, description, name, region, status."


UNKNOWN = [None, "11111111-2222-3333-4444-555555555555"]


def test_create_refuses_an_unknown_type(crm: Crm) -> None:
    for unknown in UNKNOWN:
        with pytest.raises(errors.NoDataFound, match=f"there is no entity type {unknown or 'null'}"):
            crm.value("select crm.fn_create_entity(%s, '{}')", unknown)


def test_create_refuses_null_data(crm: Crm) -> None:
    with pytest.raises(errors.InvalidParameterValue, match="must be a JSON object, not null"):
        crm.value("select crm.fn_create_entity(%s, null)", crm.types["Contact"])


def test_types_are_unique(crm: Crm) -> None:
    assert set(crm.types) == set(FULL)
    with pytest.raises(errors.UniqueViolation, match="display_name_is_unique"):
        crm.conn.execute("update crm.entity_types set display_name = 'Contact'")


# Changing


def test_update_changes_only_what_is_given(crm: Crm) -> None:
    entity = crm.create("Contact", FULL["Contact"])
    before = crm.row("Contact", entity)

    assert crm.update(entity, {"email": "lady@example.org", "phone": None}) is True

    after = crm.row("Contact", entity)
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == {**before, "email": "lady@example.org", "phone": None}
    _, key, payload = crm.events("contact.updated")[0]
    assert key == str(entity)
    assert payload["changed_fields"] == ["email", "phone"]
    assert (payload["email"], payload["phone"], payload["company"]) == ("lady@example.org", None, "Analytical Engines")


def test_update_of_the_status(crm: Crm) -> None:
    entity = crm.create("Address")
    assert crm.update(entity, {"status": "ARCHIVED", "city": "Paris"}) is True
    assert crm.value("select status from crm.entities where id = %s", entity) == "ARCHIVED"
    _, _, payload = crm.events("address.updated")[0]
    assert payload["changed_fields"] == ["city", "status"]
    assert (payload["status"], payload["city"]) == ("ARCHIVED", "Paris")


@pytest.mark.parametrize("data", [{}, {"email": "ada@example.org", "status": "ACTIVE"}], ids=["nothing", "the same"])
def test_update_without_a_change_writes_nothing(crm: Crm, data: Json) -> None:
    entity = crm.create("Contact", FULL["Contact"])
    before = crm.row("Contact", entity)
    changes = crm.value("select count(*) from bridge.entity_events")

    assert crm.update(entity, data) is False

    assert crm.row("Contact", entity) == before
    assert crm.events("contact.updated") == []
    assert crm.value("select count(*) from bridge.entity_events") == changes


REFUSED_CHANGES: list[tuple[Json, type[psycopg.Error], str]] = [
    ({"emial": "x"}, errors.InvalidParameterValue, 'unknown key "emial" in the data of Contact'),
    ({"first_name": None}, errors.NotNullViolation, 'needs a value for "first_name"'),
    ({"status": None}, errors.NotNullViolation, 'needs a value for "status"'),
    ({"first_name": True}, errors.DatatypeMismatch, "string, not boolean"),
    ({"email": "x"}, errors.CheckViolation, "email_has_an_at"),
]


def test_update_refuses(crm: Crm) -> None:
    entity = crm.create("Contact")
    for data, error, message in REFUSED_CHANGES:
        with pytest.raises(error, match=message):
            crm.update(entity, data)
    assert crm.events("contact.updated") == []


CALLS = [
    "select crm.fn_update_entity(%s, '{}')",
    "select crm.fn_delete_entity(%s)",
    "select crm.fn_add_touchpoint(%s, 'CALL')",
]


def test_unknown_entities_are_named(crm: Crm) -> None:
    for call in CALLS:
        for unknown in UNKNOWN:
            with pytest.raises(errors.NoDataFound, match=f"there is no entity {unknown or 'null'}"):
                crm.value(call, unknown)


def test_delete_takes_links_and_touchpoints_along(crm: Crm) -> None:
    contact, address, opportunity = crm.create("Contact"), crm.create("Address"), crm.create("Opportunity")
    crm.link(contact, address)
    crm.link(opportunity, contact, "BUYER")
    crm.value("select crm.fn_add_touchpoint(%s, 'CALL')", contact)

    crm.delete(contact)

    for table in ("contacts", "address_contacts", "entity_relationships", "entity_touchpoints"):
        assert crm.value(f"select count(*) from crm.{table}") == 0
    assert crm.value("select count(*) from crm.entities") == 2
    ((_, key, payload),) = crm.events("contact.deleted")
    assert key == payload["id"] == str(contact)
    query = "select entity_type from bridge.entity_events where action = 'DELETE' order by entity_type"
    deleted = [name for (name,) in crm.conn.execute(query)]
    assert deleted == ["address_contacts", "contacts", "entities", "entity_relationships", "entity_touchpoints"]
    unlinked = [
        (key, payload["entity1_id"], payload["entity2_id"]) for _, key, payload in crm.events("entity.unlinked")
    ]
    assert sorted(unlinked) == sorted(
        (str(one), str(one), str(two)) for one, two in ((contact, address), (opportunity, contact))
    )


def test_a_link_that_comes_while_its_end_is_deleted_is_unlinked_once(crm: Crm, database: str) -> None:
    """Its other end is locked all the same: who deletes that, too, finds the link gone."""
    one, two = crm.create("Opportunity"), crm.create("Contact")
    delete = "select crm.fn_delete_entity(%s)"
    waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and pid = %s)"
    with (
        psycopg.connect(database) as linking,
        psycopg.connect(database) as first,
        psycopg.connect(database, autocommit=True) as second,
    ):
        linking.execute("select crm.fn_link_entities(%s, %s, 'BUYER')", (one, two))
        deleting = threading.Thread(target=first.execute, args=(delete, (two,)), daemon=True)
        deleting.start()
        eventually(lambda: crm.value(waits, first.info.backend_pid))
        linking.commit()
        deleting.join(30)
        deleting = threading.Thread(target=second.execute, args=(delete, (one,)), daemon=True)
        deleting.start()
        eventually(lambda: crm.value(waits, second.info.backend_pid))
        first.commit()
        deleting.join(30)
    assert crm.value("select count(*) from crm.entities") == 0
    assert len(crm.events("entity.unlinked")) == 1


# Linking


@pytest.mark.parametrize("is_contact_first", [True, False])
def test_a_contact_and_an_address_in_either_order(crm: Crm, is_contact_first: bool) -> None:
    contact, address = crm.create("Contact"), crm.create("Address")
    ends = (contact, address) if is_contact_first else (address, contact)

    crm.link(*ends, "BILLING")

    rows = crm.conn.execute("select contact_id, address_id, relationship_type from crm.address_contacts").fetchall()
    assert rows == [(contact, address, "BILLING")]
    assert crm.value("select count(*) from crm.entity_relationships") == 0
    ((_, key, payload),) = crm.events("entity.linked")
    assert key == payload["entity1_id"] == str(contact), "all events of a link have one key"
    assert payload["entity2_id"] == str(address)
    assert payload["relationship_type"] == "BILLING"
    for pair in (ends, ends[::-1]):
        with pytest.raises(errors.UniqueViolation, match=f"{contact} and .* {address} are already linked as BILLING"):
            crm.link(*pair, "RESIDENCE")
    crm.unlink(*ends[::-1], "BILLING")
    assert crm.value("select count(*) from crm.address_contacts") == 0
    linked, unlinked = crm.events("entity.%")
    assert [linked[0], unlinked[0]] == ["entity.linked", "entity.unlinked"]
    ends_of = [[event[2][name] for name in ("entity1_id", "entity2_id")] for event in (linked, unlinked)]
    assert (unlinked[1], ends_of[1]) == (linked[1], ends_of[0])


def test_any_two_entities(crm: Crm) -> None:
    entities = [crm.create(kind) for kind in FULL for _ in range(2)]
    pairs = [(one, two) for one in entities for two in entities if one != two]
    for one, two in pairs:
        if {crm.kind(one), crm.kind(two)} != {"Contact", "Address"}:
            crm.link(one, two, "KNOWS")
    linked = crm.value("select count(*) from crm.entity_relationships")
    assert linked == len(pairs) - 2 * 2 * 2
    assert len(crm.events("entity.linked")) == linked


def test_links_of_other_kinds_are_unique_with_their_type(crm: Crm) -> None:
    one, two = crm.create("Contact"), crm.create("Opportunity")
    crm.link(one, two, "BUYER")
    crm.link(one, two, "REFEREE")
    crm.link(two, one, "BUYER")
    with pytest.raises(
        errors.UniqueViolation, match=f"Contact {one} and Opportunity {two} are already linked as BUYER"
    ):
        crm.link(one, two, "BUYER")
    crm.unlink(one, two, "BUYER")
    with pytest.raises(errors.NoDataFound, match=f"Contact {one} and Opportunity {two} are not linked as BUYER"):
        crm.unlink(one, two, "BUYER")
    assert crm.value("select count(*) from crm.entity_relationships") == 2


def test_link_refuses_a_bad_type(crm: Crm) -> None:
    one, two = crm.create("Contact"), crm.create("Address")
    for relationship_type in (None, "", "x" * 51):
        with pytest.raises(errors.InvalidParameterValue, match=f"characters, not {len(relationship_type or '')}"):
            crm.value("select crm.fn_link_entities(%s, %s, %s)", one, two, relationship_type)


def test_link_refuses_unknown_and_equal_ends(crm: Crm) -> None:
    one, unknown = crm.create("Contact"), uuid4()
    for ends in ((one, unknown), (unknown, one)):
        for call in (crm.link, crm.unlink):
            with pytest.raises(errors.NoDataFound, match=f"there is no entity {unknown}"):
                call(*ends)
    with pytest.raises(errors.NoDataFound, match="there is no entity null"):
        crm.value("select crm.fn_link_entities(%s, null, 'X')", one)
    with pytest.raises(errors.InvalidParameterValue, match=f"{one} cannot be linked to itself"):
        crm.link(one, one)


def test_links_in_opposite_directions_do_not_wait_for_each_other(crm: Crm, database: str) -> None:
    one, two, three = crm.create("Contact"), crm.create("Territory"), crm.create("Territory")
    with psycopg.connect(database) as first, psycopg.connect(database) as second:
        second.execute("set lock_timeout = '1s'")
        link = "select crm.fn_link_entities(%s, %s, 'X')"
        first.execute(link, (one, two))
        second.execute(link, (two, one))
        second.execute(link, (three, one))
        first.execute(link, (one, three))
        with pytest.raises(errors.LockNotAvailable):
            second.execute("select crm.fn_delete_entity(%s)", (one,))


def test_touchpoints_are_checked(crm: Crm) -> None:
    entity = crm.create("Contact")
    with pytest.raises(errors.CheckViolation, match="channel_is_known"):
        crm.value("select crm.fn_add_touchpoint(%s, 'SMOKE')", entity)
    with pytest.raises(errors.CheckViolation, match="direction_is_known"):
        crm.value("select crm.fn_add_touchpoint(%s, 'CALL', null, 'SIDEWAYS')", entity)


# Transactions


def test_a_contact_an_address_and_their_link_in_one_transaction(crm: Crm) -> None:
    with crm.conn.transaction():
        contact = crm.create("Contact", FULL["Contact"])
        address = crm.create("Address", FULL["Address"])
        crm.link(contact, address)

    assert [(event_type, key) for event_type, key, _ in crm.events()] == [
        ("contact.created", str(contact)),
        ("address.created", str(address)),
        ("entity.linked", str(contact)),
    ]
    query = "select entity_type from bridge.entity_events order by seq"
    changed = [name for (name,) in crm.conn.execute(query)]
    assert changed == ["entities", "contacts", "entities", "addresses", "address_contacts"]
    assert crm.value("select count(distinct xid) from bridge.outbox") == 1
    assert crm.value("select count(*) from bridge.activity_log") == 5


def test_a_transaction_that_fails_leaves_nothing(crm: Crm) -> None:
    contact = UUID(int=0)
    with pytest.raises(errors.NotNullViolation), crm.conn.transaction():  # noqa: PT012 - three calls, one transaction
        contact = crm.create("Contact", FULL["Contact"])
        crm.create("Address", {"street": "x"})
        crm.link(contact, uuid4())
    assert contact.int
    for table in ("crm.entities", "crm.contacts", "bridge.event_queue", "bridge.entity_events", "bridge.activity_log"):
        assert crm.value(f"select count(*) from {table}") == 0


def test_events_of_one_entity_commit_in_the_order_of_their_seq(crm: Crm, database: str) -> None:
    entity = crm.create("Contact")
    with psycopg.connect(database) as first, psycopg.connect(database, autocommit=True) as second:
        first.execute('select crm.fn_update_entity(%s, \'{"company": "first"}\')', (entity,))
        waiter = threading.Thread(
            target=second.execute, args=("select crm.fn_add_touchpoint(%s, 'CALL')", (entity,)), daemon=True
        )
        waiter.start()
        waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and pid = %s)"
        eventually(lambda: crm.value(waits, second.info.backend_pid))
        first.execute('select crm.fn_update_entity(%s, \'{"company": "again"}\')', (entity,))
        first.commit()
        waiter.join(30)
        assert not waiter.is_alive()
    kinds = [event_type for event_type, _, _ in crm.events()]
    assert kinds == ["contact.created", "contact.updated", "contact.updated", "touchpoint.added"]


def test_many_entities_in_one_transaction(crm: Crm) -> None:
    """One advisory lock a key would run out of shared memory; the row locks suffice."""
    query = 'select count(crm.fn_create_entity(%s, \'{"name": "x"}\')) from generate_series(1, 8000)'
    with crm.conn.transaction():
        assert crm.value(query, crm.types["Territory"]) == 8000
        assert crm.value("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == 0


def test_updated_at_is_maintained_for_plain_sql_too(crm: Crm) -> None:
    entity = crm.create("Contact", FULL["Contact"])
    before = crm.row("Contact", entity)["updated_at"]
    crm.conn.execute("update crm.contacts set first_name = first_name")
    assert crm.row("Contact", entity)["updated_at"] == before
    crm.conn.execute("update crm.contacts set first_name = 'Augusta'")
    assert crm.row("Contact", entity)["updated_at"] > before


# Rights


def test_an_application_needs_no_right_on_any_table(crm: Crm, database: str) -> None:
    role = f"bridge_test_{uuid4().hex[:8]}"
    crm.conn.execute(f"create role {role}")
    try:
        crm.conn.execute(f"grant usage on schema bridge, crm to {role}")
        crm.conn.execute(f"grant execute on function crm.fn_create_entity, bridge.set_actor to {role}")
        with crm.conn.transaction():
            crm.conn.execute(f"set local role {role}")
            crm.value("select bridge.set_actor(%s)", str(uuid4()))
            crm.create("Contact")
            with pytest.raises(errors.InsufficientPrivilege), crm.conn.transaction():
                crm.value("select count(*) from crm.contacts")
            with pytest.raises(errors.InsufficientPrivilege), crm.conn.transaction():
                crm.value("select crm.fn_delete_entity(%s)", uuid4())
        assert crm.value("select count(*) from bridge.entity_events where actor_status = 'ok'") == 2
    finally:
        crm.conn.execute(f"drop owned by {role}; drop role {role}")
