-- What it takes to read the rows of a tracked table in the order of their keys, as parts of SQL that are quoted here; no row
-- where it is not tracked. Rows are called by the table's bare name, and come from a view of it (bridge.open_tracked).
select t.id, t.entity_type as name, t.key, coalesce(quote_ident(c.relname), '') as alias,
       coalesce(quote_ident(n.nspname) || '.' || quote_ident(c.relname), '') as relation,
       coalesce(format('(select (v.entire).* from %%s as v)', %(view)s::text), '') as source,
       count(k.name) = cardinality(t.key) as has_key,
       coalesce('array[' || string_agg('pg_catalog.format(''%%s'', ' || quote_ident(c.relname) || '.' || quote_ident(k.name)
                                       || ')', ', ' order by k.position) || ']', '') as keys,
       (select case when min(m.reltuples) >= 0 then sum(m.reltuples)::bigint end
          from bridge.member_tables(t.relation) as p (relation)
          join pg_class as m on m.oid = p.relation and m.relkind <> 'p') as rows_guessed
  from bridge.tracked_table as t
  left join pg_class as c on c.oid = t.relation
  left join pg_namespace as n on n.oid = c.relnamespace
  left join lateral bridge.key_columns(t) with ordinality
                as k (name, type, "collation", less, equal, at_most, greater, position) on true
 where t.relation = %(table)s::oid
 group by t.id, c.oid, n.oid
