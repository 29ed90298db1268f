-- For health: a row a shard: who holds it, and the oldest event that no settled batch has read, as bridge.unread says it.
-- That costs the same however many wait: above the cursor the first one counts; below it, where only what committed late
-- is unread, a bounded number of rows is passed: one that comes later is missed until scan_from gets there.
-- In the place of -infinity comes the moment up to which partitions are finished (bridge.finished): as a literal, so
-- that the plan leaves them out.
select s.shard, s.owner, coalesce(s.lease_until between c.now and c.latest, false) as is_held, s.stopped, s.batch_no,
       u.seq, extract(epoch from c.now - u.at)::float8 as age_seconds
  from bridge.shard as s
 cross join (select clock_timestamp() as now,
                    clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s) as latest) as c
  left join lateral (
    select seq, least(greatest(at, '0001-01-02Z'), '9999-12-30Z') as at
      from ((select o.seq, o.created_at as at
               from bridge.outbox as o
              where o.shard = s.shard and o.seq > s.cursor and o.created_at >= '-infinity'
              order by o.seq
              limit 1)
            union all
            (select h.seq, h.occurred_at
               from bridge.history as h
              where h.shard = s.shard and h.seq > s.cursor and h.occurred_at >= '-infinity'
              order by h.seq
              limit 1)
            union all
            (select seq, at
               from (select o.seq, o.xid, o.created_at as at
                       from bridge.outbox as o
                      where o.shard = s.shard and o.seq > greatest(s.scan_from, s.late_cursor) and o.seq <= s.cursor
                        and o.created_at >= '-infinity'
                      order by o.seq
                      limit %(pass)s) as passed
              where not pg_visible_in_snapshot(xid, s.snapshot)
              limit 1)
            union all
            (select seq, at
               from (select h.seq, h.xid, h.occurred_at as at
                       from bridge.history as h
                      where h.shard = s.shard and h.seq > greatest(s.scan_from, s.late_cursor) and h.seq <= s.cursor
                        and h.occurred_at >= '-infinity'
                      order by h.seq
                      limit %(pass)s) as passed
              where not pg_visible_in_snapshot(xid, s.snapshot)
              limit 1)) as first
     order by seq
     limit 1
  ) as u on true
 order by s.shard
