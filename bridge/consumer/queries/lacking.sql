-- What the inbox lacks for the role of this session: tables and columns, or else rights. By the catalogs, which everybody
-- may read. An inbox that another version made may have more columns.
with needed (name, privilege) as (
    values ('received', 'select'), ('received', 'insert'), ('received', 'delete'),
           ('parked', 'select'), ('parked', 'insert'), ('parked', 'update'), ('parked', 'delete'),
           ('progress', 'select'), ('progress', 'insert'), ('progress', 'update')
), columns (name, names) as (
    values ('received', 'consumer_group ce_source ce_id received_at'),
           ('parked', 'number consumer_group topic partition kafka_offset at key value headers event_type state attempts'
                      ' due_at reason parked_at'),
           ('progress', 'consumer_group topic partition kafka_offset')
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
select true, 'bridge_inbox.' || f.relname || '.' || c.name
  from columns
  join found as f on f.relname = columns.name
 cross join lateral pg_catalog.regexp_split_to_table(columns.names, ' ') as c (name)
 where not exists (select from pg_catalog.pg_attribute as a where a.attrelid = f.oid and a.attname = c.name)
union all
select false, 'USAGE on the schema bridge_inbox'
  from pg_catalog.pg_namespace
 where nspname = 'bridge_inbox' and not has_schema_privilege(oid, 'usage')
union all
select false, upper(privilege) || ' on bridge_inbox.' || name
  from needed
  join found on relname = name
 where not has_table_privilege(oid, privilege)
