"""As many contacts of the reference application as one likes, and how people search for them."""

from __future__ import annotations

from typing import Any

import psycopg

CONTACTS_OF_A_TERRITORY = 50  # on average; the first has a hundredth of all beside them
CHUNK = 100_000

# Past the triggers, for it is the views that are looked at: tracking would write a row of history for each.
TERRITORIES = """
with new as (
    select md5('territory ' || g)::uuid as id, g from generate_series(1, %(territories)s::integer) as g
), entities as (
    insert into crm.entities (id, entity_type_id)
    select new.id, t.id from new, crm.entity_types as t where t.display_name = 'Territory'
)
insert into crm.territories (id, name, region) select id, 'Territory ' || g, 'Region ' || g %% 10 from new
"""
CONTACTS = """
with new as (
    select g, md5('contact ' || g)::uuid as id, md5('address ' || g)::uuid as address_id,
           (array['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Margaret', 'Alan', 'Katherine', 'Tony', 'Frances'])
               [1 + g %% 10] as first_name,
           initcap((array['al', 'ber', 'cor', 'dun', 'es', 'fal', 'gor', 'hol', 'is', 'jor', 'kel', 'lin', 'mor', 'nor',
                          'os', 'per', 'quin', 'ros', 'sul', 'tor'])[1 + g / 10 %% 20]
                   || (array['a', 'e', 'i', 'o', 'u'])[1 + g / 200 %% 5]
                   || (array['b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'w', 'z'])
                          [1 + g / 1000 %% 15]
                   || (array['ert', 'in', 'son', 'ley', 'man', 'ton', 'ker', 'den', 'berg', 'well'])
                          [1 + g / 15000 %% 10])
               as last_name
      from generate_series(%(first)s::integer, %(last)s) as g
), entities as (
    insert into crm.entities (id, entity_type_id)
    select case t.display_name when 'Contact' then new.id else new.address_id end, t.id
      from new, crm.entity_types as t where t.display_name in ('Contact', 'Address')
), contacts as (
    insert into crm.contacts (id, first_name, last_name, email)
    select id, first_name, last_name, first_name || '.' || last_name || '.' || g || '@Example.com' from new
), addresses as (
    insert into crm.addresses (id, street, city, state, postal_code)
    select address_id, g || ' Main Street', 'City ' || g %% 1000, 'State ' || g %% 50, lpad(g::text, 9, '0') from new
), links as (
    insert into crm.address_contacts (contact_id, address_id)
    select id, address_id from new where g %% 10 > 0     -- every tenth has no address
), touchpoints as (
    insert into crm.entity_touchpoints (entity_id, channel)
    select id, (array['EMAIL', 'CALL'])[n] from new, generate_series(1, 2) as n where g %% 2 = 0
)
insert into crm.entity_relationships (entity1_id, entity2_id, relationship_type)
select md5('territory ' || case g %% 100 when 0 then 1 else 1 + g %% %(territories)s end)::uuid,
       id, 'HAS'
  from new
"""

ALL = "select count(*) from crm.contact_management_view"
OF_A_TERRITORY = """
select count(*)
  from crm.territory_management_view as t
  join crm.entity_relationships as r on r.entity1_id = t.territory_id
  join crm.contact_management_view as c on c.entity_id = r.entity2_id
 where lower(t.name) = lower('territory 1')"""
SEARCHES = {
    "email, in any case": f"{ALL} where lower(email) = lower('ada.BERENERT.7210@EXAMPLE.COM')",
    "how an email begins": f"{ALL} where lower(email) like 'ada.beren%'",
    "how a last name begins": f"{ALL} where lower(last_name) like 'beren%'",
    "how last and first name begin": f"{ALL} where lower(last_name) like 'beren%' and lower(first_name) like 'a%'",
    "words of a name, whole or begun": (
        f"{ALL} where to_tsvector('simple', first_name || ' ' || last_name) @@ to_tsquery('simple', 'ada & beren:*')"
    ),
    "name of a territory, in any case": (
        "select open_amount_usd from crm.territory_management_view where lower(name) = lower('TERRITORY 1')"
    ),
    "all contacts of a territory": OF_A_TERRITORY,
    "those whose name begins so": f"{OF_A_TERRITORY} and lower(c.last_name) like 'kelab%'",
}
WITHOUT_INDEX = {"text anywhere in a last name": f"{ALL} where lower(last_name) like '%enert%'"}


def fill(db: psycopg.Connection[Any], contacts: int) -> None:
    """Write so many contacts, each with an address (nine in ten) and a territory, half of them with touchpoints."""
    territories = max(contacts // CONTACTS_OF_A_TERRITORY, 1)
    db.execute("set session_replication_role = replica")
    db.execute(TERRITORIES, {"territories": territories})
    for first in range(1, contacts + 1, CHUNK):
        last = min(first + CHUNK - 1, contacts)
        db.execute(CONTACTS, {"first": first, "last": last, "territories": territories})
    db.execute("reset session_replication_role")
    db.execute("vacuum analyze")


def plan(db: psycopg.Connection[Any], search: str) -> str:
    """How Postgres does it, with the rows of each step."""
    rows = db.execute(f"explain (analyze, costs off, timing off, summary off, buffers off) {search}".encode())
    return "\n".join(line for (line,) in rows.fetchall())
