-- The table, index or view of this name, as SQL writes names; no row where there is none.
select c.oid::bigint as oid, format('%%I.%%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where c.oid = pg_catalog.to_regclass(%(name)s)
