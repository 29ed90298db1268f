-- Tracked tables that are gone, and were known by this name; without a schema, in any.
select t.relation::oid::bigint as oid, t.known_as as name
  from bridge.tracked_table as t
 where not exists (select from pg_class as c where c.oid = t.relation)
   and (parse_ident(t.known_as) = parse_ident(%(name)s)
        or (parse_ident(t.known_as))[2:] = parse_ident(%(name)s))
 order by t.id
