-- One row a shard; `stopped` also where the next relay will stop it. Pending events are counted only where they can be,
-- and never more than a bounded number; `behind_dead` of them wait behind a dead event of their key.
select s.shard, s.owner, s.lease_until, extract(epoch from s.lease_until - clock_timestamp())::float8 as lease_seconds,
       s.generation, s.batch_no, coalesce(s.stopped, n.set_back) as stopped, p.pending, p.behind_dead, p.oldest_at,
       extract(epoch from clock_timestamp() - p.oldest_at)::float8 as oldest_age_seconds
  from bridge.shard s
  join bridge.unfinished u on u.shard = s.shard
 cross join (
    select case when drawn < highest
                then format('the sequence bridge.event_seq stands at %%s, but an event has the number %%s: it was set back, and'
                            ' the next relay will stop the shards', drawn, highest) end as set_back
      from (select case when is_called then last_value else 0 end as drawn from bridge.event_seq) as sequence,
           bridge.highest_seq() as highest
 ) as n
 cross join lateral (
    select count(*) as pending, count(*) filter (where is_behind_dead) as behind_dead,
           case when count(*) > 0 then least(greatest(min(at), '0001-01-02Z'), '9999-12-30Z') end as oldest_at
      from (
        (select created_at as at,
                exists (select from bridge.dead_event d
                         where hashtextextended(d.event_key, 0) = hashtextextended(q.event_key, 0)
                           and d.event_key = q.event_key and d.source = 'event_queue' and d.holds_key and d.seq < q.seq)
                    as is_behind_dead
           from bridge.event_queue q
          where q.shard = s.shard and q.seq > u.seq and q.status = 'PENDING'
          order by q.seq limit %(most)s)
        union all
        (select occurred_at,
                exists (select from bridge.dead_event d
                         where hashtextextended(d.event_key, 0) = hashtextextended(e.entity_type || ':' || e.entity_id, 0)
                           and d.source = 'entity_events' and d.event_key = e.entity_type || ':' || e.entity_id
                           and d.holds_key and d.seq < e.seq)
           from bridge.entity_events e
          where e.shard = s.shard and e.seq > u.seq and e.status = 'PENDING'
          order by e.seq limit %(most)s)
      ) as waiting
 ) as p
 order by s.shard
