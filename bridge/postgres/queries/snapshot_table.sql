-- What it takes to read the rows of a tracked table in the order of their keys, as parts of SQL that are quoted here; no row
-- where it is not tracked. Rows are called by the table's bare name. `runs_code_of`: whose functions reading it would run with other
-- rights than his: those in its indexes, or of its key's types.
select t.id, t.entity_type as name, t.key, c.oid is not null as is_there, coalesce(quote_ident(c.relname), '') as alias,
       case c.relkind when 'p' then '' else 'only ' end
           || coalesce(quote_ident(n.nspname) || '.' || quote_ident(c.relname), '') as source,
       count(k.name) = cardinality(t.key) as has_key,
       coalesce('array[' || string_agg('pg_catalog.format(''%%s'', ' || quote_ident(c.relname) || '.' || quote_ident(k.name)
                                       || ')', ', ' order by k.position) || ']', '') as keys,
       case when c.relowner::regrole <> current_user::regrole
                 and (bridge.planning_runs_code(t.relation)
                      or exists (select from bridge.tracked_columns(t) as w
                                   join pg_type as y on y.oid = bridge.base_type(w.type)
                                   join pg_roles as r on r.oid = y.typowner
                                  where w.use = 'key' and y.oid >= 16384 and y.typtype <> 'e' and not r.rolsuper))
            then c.relowner::regrole::text end as runs_code_of,
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
