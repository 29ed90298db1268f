-- The tracked tables, with what it takes to compare each with its events. `newer`: rows whose xmin has at most that age
-- were written since tracking began, or since the first event that is still kept, where partitions of the history have
-- left meanwhile; below zero where it began in another cluster, whose transactions say nothing here.
with kept as materialized (
    select min(b.range_from) as since from bridge.partition_bounds('bridge.history') as b
), trimmed as materialized (
    select k.since, coalesce((select min(h.xid::text::bigint) from bridge.history as h),
                             pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as xid
      from kept as k
     where exists (select from bridge.tracked_table as t where t.since < k.since)
)
select t.id, t.relation::oid::bigint as oid,
       coalesce((select format('%I.%I', n.nspname, c.relname)
                   from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                  where c.oid = t.relation), t.known_as) as relation,
       t.entity_type as name, t.since, t.since_xid::text as since_xid,
       (select c.relkind = 'p' from pg_class as c where c.oid = t.relation) as is_partitioned,
       (select case when c.relowner::regrole <> current_user::regrole and bridge.planning_runs_code(t.relation)
                    then c.relowner::regrole::text end
          from pg_class as c where c.oid = t.relation) as runs_code_of,
       (select count(*) = cardinality(t.key) from bridge.tracked_columns(t) as c where c.use = 'key') as has_key,
       bridge.key_expression(t, '(r.*)') as key, bridge.state_expression(t, '(r.*)') as state,
       age(pg_snapshot_xmax(pg_current_snapshot())::xid) + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
           - greatest(t.since_xid::text::bigint, (select m.xid from trimmed as m where t.since < m.since)) as newer
  from bridge.tracked_table as t
 order by relation
