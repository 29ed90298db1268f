-- What is tracked, and how. Of a table that is gone the columns are those that it had.
select t.relation::oid::bigint as oid,
       coalesce((select format('%I.%I', n.nspname, c.relname)
                   from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                  where c.oid = t.relation), t.known_as) as relation,
       t.entity_type as name, t.entity_event_type as event_type,
       (select t.event_key_texts[1] || string_agg('{' || n.name || '}' || t.event_key_texts[n.position + 1], ''
                                                  order by n.position)
          from unnest(bridge.event_key_names(t)) with ordinality as n (name, position)) as event_key,
       coalesce(u.key, '{}') as key, coalesce(u.masked, '{}') as masked, coalesce(u.excluded, '{}') as excluded,
       coalesce(u.left_out, '{}') as left_out,
       t.activity, t.replicated, t.truncate_rows, t.since,
       array(select distinct g.tgname::text
               from pg_trigger as g
              where g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', t.id))
              order by 1) as triggers
  from bridge.tracked_table as t
 cross join lateral (
    select array_agg(c.name order by c.position) filter (where c.use = 'key') as key,
           array_agg(c.name order by c.number) filter (where c.use = 'masked') as masked,
           array_agg(c.name order by c.number) filter (where c.use = 'excluded') as excluded,
           array_agg(c.name order by c.number) filter (where c.use = 'virtual') as left_out
      from (select w.number, w.name::text, w.use, w.key_position as position from bridge.tracked_columns(t) as w
            union all
            select k.key::int2, k.value,
                   case when k.key::int2 = any (t.key) then 'key' when k.key::int2 = any (t.masked) then 'masked'
                        when k.key::int2 = any (t.excluded) then 'excluded' end,
                   array_position(t.key, k.key::int2)
              from jsonb_each_text(t.columns) as k
             where not exists (select from pg_class as c where c.oid = t.relation)) as c
 ) as u
 order by relation
