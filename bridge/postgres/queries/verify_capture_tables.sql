-- The tracked tables, with what it takes to compare each with its events. `tracked`: rows whose xmin has at most that age
-- were written since tracking began; below zero where it began in another cluster, whose transactions say nothing here.
-- `newer`: since the first event that is still kept, too, where partitions of the history have left meanwhile. A row may
-- have a subtransaction's number, which is above its event's, so those of the first hour after what has left count as
-- such, too. Both are all rows where a snapshot of the whole table has recorded those of before, and nothing has left since.
with retired as materialized (
    select r.range_to, r.max_xid::text::bigint as xid
      from bridge.retired_partition as r
     where r.parent = 'bridge.history' and r.state <> 'restored'
    union all
    select b.range_to, null
      from bridge.partition_bounds('bridge.history') as b
      join pg_inherits as i on i.inhrelid = b.leaf and i.inhdetachpending
), gone as materialized (
    select max(r.range_to) as until, max(r.xid) as xid, bool_or(r.xid is null) as is_unsure from retired as r
), next as materialized (
    select max(h.xid::text::bigint) as xid
      from bridge.history as h
     where h.occurred_at >= (select g.until from gone as g)
       and h.occurred_at < (select min(n.occurred_at) + interval '1 hour'
                              from bridge.history as n
                             where n.occurred_at >= (select g.until from gone as g))
), kept as materialized (
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
       (select c.relkind = 'p' from pg_class as c where c.oid = t.relation and c.relkind in ('r', 'p')) as is_partitioned,
       (select count(*) = cardinality(t.key) from bridge.tracked_columns(t) as c where c.use = 'key') as has_key,
       bridge.key_expression(t, '(v.entire)') as key, bridge.state_expression(t, '(v.entire)') as state,
       case when w.is_whole then 2147483647 else here.age + here.xmax - t.since_xid::text::bigint end as tracked,
       case when w.is_whole then 2147483647
            else here.age + here.xmax - greatest(t.since_xid::text::bigint,
                              (select m.xid from trimmed as m where t.since < m.since),
                              (select case when n.xid is null and g.is_unsure then here.xmax
                                           else greatest(g.xid, n.xid) end
                                 from gone as g cross join next as n where g.until > t.since)) end as newer
  from bridge.tracked_table as t
 cross join (select age(pg_snapshot_xmax(pg_current_snapshot())::xid) as age,
                    pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) as here
 cross join lateral (
    select exists (select from bridge.snapshot as s
                    where s.tracked_id = t.id and s.entity_type = t.entity_type and s.key = t.key
                      and s.state = 'finished' and s.condition is null
                      and s.started_at >= greatest(t.since, (select k.since from kept as k),
                                                   (select g.until + interval '1 hour' from gone as g))) as is_whole
 ) as w
 order by relation
