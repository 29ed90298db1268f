-- What was parked is parked no more where Kafka has it, and dead where it is among the dead letters, if the claim in
-- this transaction held. A letter of one that was retried may be the former one: it is tried again. One that is dead
-- here, or given up, was retried and published since, and the database has forgotten that. What is replayed is done
-- where Kafka has it from its replay. That an event had been dead is not forgotten.
with fence as (
    select from bridge.shard where shard = %(shard)s and generation = %(generation)s
), dead as (
    update bridge.parked as p
       set state = 'dead', blocks = d.blocks, stops = d.stops, waits_for = null, deaths = p.deaths + 1, reason = d.reason,
           since = clock_timestamp()
      from unnest(%(dead_ids)s::uuid[], %(reasons)s::text[], %(blocks)s::boolean[], %(stops)s::boolean[])
               as d (id, reason, blocks, stops), fence
     where p.shard = %(shard)s and p.event_id = d.id and p.state in ('waiting', 'deferred')
), published as materialized (
    select p.seq, p.deaths
      from bridge.parked as p, fence
     where p.shard = %(shard)s
       and (p.event_id in (select unnest(%(published)s::uuid[]))
            and p.state in ('waiting', 'deferred', 'retried', 'dead', 'skipped')
            or p.event_id in (select unnest(%(replayed)s::uuid[])) and p.state = 'replayed')
), had_died as (
    update bridge.parked as p
       set state = 'published', blocks = false, stops = false, waits_for = null, replay_id = null, since = clock_timestamp()
      from published as u
     where p.seq = u.seq and u.deaths > 0
)
delete from bridge.parked as p using published as u where p.seq = u.seq and u.deaths = 0
