-- Names that somebody may have meant: of tables, as SQL writes them, and bare.
select format('%I.%I', n.nspname, c.relname) as name, c.relname::text as bare
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and not c.relispartition
   and n.nspname not in ('pg_catalog', 'information_schema', 'bridge', 'pg_toast')
 order by name
 limit 10000
