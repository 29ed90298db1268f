-- One row a shard; `stopped` also where the next relay will stop it. Pending events are counted only where they can be,
-- and never more than a bounded number; `behind_dead` of them wait behind a dead event, of their topic and key
-- or one that stops their topic. What is
-- replayed is pending, and has no age: its event was published in its time.
select s.shard, s.owner, s.lease_until, extract(epoch from s.lease_until - clock_timestamp())::float8 as lease_seconds,
       s.generation, s.batch_no, s.event_queue_processed + s.entity_events_processed as published,
       coalesce(s.stopped, n.set_back) as stopped, u.unread + p.open as pending, p.behind_dead,
       least(u.oldest_at, p.oldest_at) as oldest_at,
       extract(epoch from clock_timestamp() - least(u.oldest_at, p.oldest_at))::float8 as oldest_age_seconds
  from bridge.shard s
 cross join (
    select case when drawn < highest
                then format('the sequence bridge.event_seq stands at %%s, but an event has the number %%s: it was set back, and'
                            ' the next relay will stop the shards', drawn, highest) end as set_back
      from (select coalesce(pg_sequence_last_value('bridge.event_seq'), 0) as drawn) as sequence,
           bridge.highest_seq() as highest
 ) as n
 cross join lateral (
    select count(*) as unread, case when count(*) > 0 then least(greatest(min(at), '0001-01-02Z'), '9999-12-30Z') end as oldest_at
      from (select at from bridge.unread where shard = s.shard limit %(most)s) as waiting
 ) as u
 cross join lateral (
    select count(*) as open, count(*) filter (where is_behind_dead) as behind_dead,
           case when count(at) > 0 then least(greatest(min(at), '0001-01-02Z'), '9999-12-30Z') end as oldest_at
      from (select case when w.state <> 'replayed' then w.at end as at,
                   w.state <> 'replayed'
                   and (exists (select from bridge.parked as d
                                 where d.shard = w.shard and d.key_hash = w.key_hash and d.topic = w.topic
                                   and d.blocks and d.state = 'dead' and d.seq < w.seq)
                        or exists (select from bridge.parked as d
                                    where d.topic = w.topic and d.stops and d.state = 'dead' and d.seq < w.seq))
                   as is_behind_dead
              from bridge.parked as w
             where w.shard = s.shard and w.state in ('waiting', 'deferred', 'retried', 'replayed')
             limit %(most)s) as waiting
 ) as p
 order by s.shard
