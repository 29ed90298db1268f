-- Parks all that a shard has not read up to a number, but for what Kafka has, if the claim in this transaction held: so
-- that reading may begin anew behind that number. What is among the dead letters is dead.
insert into bridge.parked (seq, source, event_id, at, shard, topic, key_hash, state, blocks, stops, due_at, deaths,
                           reason)
select u.seq, u.source, u.id, u.at, u.shard,
       coalesce((%(topics)s::text[])[bridge.matching_route(%(rules)s::text[], u.event_type, u.entity_type)], %(dead_letters)s),
       hashtextextended(u.event_key, 0),
       b.state, case b.state when 'dead' then d.blocks else b.state = 'waiting' end, coalesce(d.stops, false),
       case b.state when 'deferred' then u.available_at end, (d.id is not null)::integer, d.reason
  from bridge.unread as u
  left join unnest(%(dead_ids)s::uuid[], %(reasons)s::text[], %(blocks)s::boolean[], %(stops)s::boolean[])
         as d (id, reason, blocks, stops) on d.id = u.id
 cross join lateral (select case when d.id is not null then 'dead'
                                 when u.available_at > clock_timestamp() then 'deferred'
                                 else 'waiting' end as state) as b
 where u.shard = %(shard)s
   and u.seq <= %(bound)s
   and u.id not in (select unnest(%(published)s::uuid[]))
   and exists (select from bridge.shard where shard = %(shard)s and generation = %(generation)s)
