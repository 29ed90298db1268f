-- What a table is called, what is said of it, and how its changes are called where it is tracked, or would be.
select n.nspname::text as schema, c.relname::text as name, obj_description(c.oid, 'pg_class') as comment,
       coalesce(t.entity_type, case n.nspname when 'public' then c.relname::text
                                              else n.nspname || '.' || c.relname end) as entity_type,
       t.id is not null as is_tracked, c.relkind in ('r', 'p') as is_table
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  left join bridge.tracked_table as t on t.relation = c.oid
 where c.oid = %(table)s::oid
