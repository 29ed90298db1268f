-- What the inbox lacks for the role of this session: tables, or else rights. By the catalogs, which everybody may read.
with needed (name, privilege) as (
    values ('received', 'select'), ('received', 'insert'), ('received', 'delete'),
           ('parked', 'select'), ('parked', 'insert'), ('parked', 'update'), ('parked', 'delete')
), found as (
    select c.oid, c.relname
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = 'bridge_inbox'
)
select distinct true as is_table, 'bridge_inbox.' || name as what
  from needed
 where name not in (select relname from found)
union all
select false, 'USAGE on the schema bridge_inbox'
  from pg_catalog.pg_namespace
 where nspname = 'bridge_inbox' and not has_schema_privilege(oid, 'usage')
union all
select false, upper(privilege) || ' on bridge_inbox.' || name
  from needed
  join found on relname = name
 where not has_table_privilege(oid, privilege)
