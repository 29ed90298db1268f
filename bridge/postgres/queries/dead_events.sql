-- Dead events that nobody has decided about, the oldest first. Of one whose row is gone, type and key are empty.
select p.event_id, p.source, p.seq, p.shard, coalesce(o.event_type, case when h.id is not null then 'entity.changed' end, '')
           as event_type,
       coalesce(o.event_key, h.entity_type || ':' || h.entity_id, '') as event_key,
       coalesce(p.reason, '') as reason, p.since as died_at, p.blocks as holds_key
  from (select *, case when at > '0001-01-03Z' then at - interval '1 ms' else '-infinity' end as earliest,
               case when at < '9999-12-29Z' then at + interval '1 ms' else 'infinity' end as latest
          from bridge.parked) as p
  left join bridge.outbox as o
         on p.source = 'event_queue' and o.id = p.event_id
        and o.created_at between p.earliest and p.latest
  left join bridge.history as h
         on p.source = 'entity_events' and h.id = p.event_id
        and h.occurred_at between p.earliest and p.latest
 where p.state = 'dead'
 order by p.since, p.seq
 limit %(most)s
