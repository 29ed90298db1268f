-- For health: what is parked and still to be published, by shard, topic and kind: how many, and the oldest.
-- Of each shard and kind the first ones up to a bound are looked at, however many there are.
-- The place among its kind is a number: of the event, or, where they come as they are due, of that time.
select shard, topic, kind, is_behind_dead, count(*) as events, min(place) as place,
       extract(epoch from clock_timestamp()
                          - least(greatest(min(at), '0001-01-02Z'), '9999-12-30Z'))::float8 as age_seconds
  from (
    select p.shard, coalesce(p.waits_for, p.topic) as topic, p.kind, p.place, p.at,
           p.kind <> 'replayed'
           and ((select true from bridge.parked as d
                  where d.shard = p.shard and d.key_hash = p.key_hash and d.topic = p.topic and d.seq < p.seq
                    and d.is_stuck and d.state = 'dead'
                  limit 1) is not null
                or (select true from bridge.parked as d
                     where d.topic = p.topic and d.seq < p.seq and d.stops
                     limit 1) is not null) as is_behind_dead
      from bridge.shard as s
     cross join lateral (
        (select *, 'waiting' as kind, seq as place
           from bridge.parked
          where shard = s.shard and state in ('waiting', 'retried')
          order by seq
          limit %(most)s)
        union all
        (select *, 'due', (extract(epoch from due_at) * 1000000)::bigint
           from bridge.parked
          where shard = s.shard and state = 'deferred' and due_at <= now()
          order by due_at
          limit %(most)s)
        union all
        (select *, 'replayed', seq
           from bridge.parked
          where shard = s.shard and state = 'replayed'
          order by seq
          limit %(most)s)
     ) as p
  ) as open
 group by shard, topic, kind, is_behind_dead
 order by topic, shard, kind, is_behind_dead
