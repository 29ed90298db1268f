-- Parked events that may be tried: what waits for no topic that is held, and has nothing before it in its topic and key
-- that is dead or waits for such a topic, nor in its topic what stops it; in order of seq. Bounds and columns as in read_pending.sql; of an event whose row
-- is gone, all but its id is empty. With LIMIT instead of NOT EXISTS, because the planner would join that, and compare each
-- that waits with all that are dead.
-- What is replayed comes last, in half of the room at most, or a long replay would keep new events out; it waits for nothing
-- but its topic, and for earlier replayed ones of its topic and key that wait for the dead letters'.
with candidate as materialized (
    select *, case when at > '0001-01-03Z' then at - interval '1 ms' else '-infinity' end as earliest,
           case when at < '9999-12-29Z' then at + interval '1 ms' else 'infinity' end as latest
      from ((select *
               from bridge.parked as p
              where shard = %(shard)s and state in ('waiting', 'retried') and seq <= %(last)s::bigint
                and seq not in (select unnest(%(in_flight)s::bigint[]))
                and topic <> all (%(held)s::text[])
                and (waits_for is null or waits_for <> all (%(held)s::text[]))
                and (select true from bridge.parked as e
                      where e.shard = p.shard and e.key_hash = p.key_hash and e.topic = p.topic and e.seq < p.seq
                        and e.is_stuck and (e.state = 'dead' or e.waits_for = any (%(held)s::text[]))
                      limit 1) is null
                and (select true from bridge.parked as e
                      where e.topic = p.topic and e.seq < p.seq and e.stops
                      limit 1) is null
              order by seq
              limit %(rows)s)
            union all
            (select *
               from bridge.parked as p
              where shard = %(shard)s and state = 'deferred' and due_at <= now() and seq <= %(last)s::bigint
                and seq not in (select unnest(%(in_flight)s::bigint[]))
                and topic <> all (%(held)s::text[])
                and (select true from bridge.parked as e
                      where e.shard = p.shard and e.key_hash = p.key_hash and e.topic = p.topic and e.seq < p.seq
                        and e.is_stuck and (e.state = 'dead' or e.waits_for = any (%(held)s::text[]))
                      limit 1) is null
                and (select true from bridge.parked as e
                      where e.topic = p.topic and e.seq < p.seq and e.stops
                      limit 1) is null
              order by due_at
              limit %(rows)s)
            union all
            (select *
               from bridge.parked as p
              where shard = %(shard)s and state = 'replayed' and seq <= %(last)s::bigint
                and seq not in (select unnest(%(in_flight)s::bigint[]))
                and topic <> all (%(held)s::text[])
                and (waits_for is null or waits_for <> all (%(held)s::text[]))
                and (select true from bridge.parked as e
                      where e.shard = p.shard and e.key_hash = p.key_hash and e.topic = p.topic and e.seq < p.seq
                        and e.state = 'replayed' and e.waits_for = any (%(held)s::text[])
                      limit 1) is null
              order by seq
              limit greatest(%(rows)s / 2, 1))) as free
     order by state = 'replayed', seq
     limit %(rows)s
)
select source, seq, id, left(event_type, %(type_cut)s) as event_type,
       case when octet_length(event_key) > %(cut)s then left(event_key, %(cut)s) else event_key end as event_key,
       case when octet_length(payload) > %(cut)s then left(payload, %(cut)s) else payload end as payload,
       case when octet_length(headers) > %(headers_cut)s then left(headers, %(headers_cut)s) else headers end as headers,
       created_us, key_hash, left(entity_type, %(type_cut)s) as entity_type,
       case when %(with_xid)s then xid::text end as xid, replay_id, topic, state, blocks, waits_for, bytes
  from (
    select *, sum(own_bytes) over (order by is_replayed, seq rows unbounded preceding) as bytes
      from (
    select *, least(octet_length(payload), %(cut)s) + 2 * least(octet_length(event_key), %(cut)s)
              + least(coalesce(octet_length(headers), 0), %(headers_cut)s) as own_bytes
      from (
        select c.source, c.seq, c.event_id::text as id, coalesce(e.event_type, '') as event_type,
               coalesce(e.event_key, '') as event_key, coalesce(e.payload, '') as payload, e.headers,
               coalesce(e.created_us, (date_part('epoch', c.at) * 1000000)::bigint) as created_us,
               c.key_hash, e.entity_type, e.xid, c.replay_id, c.topic, c.state, c.blocks, c.waits_for, c.state = 'replayed' as is_replayed
          from candidate as c
          left join lateral (
            select o.event_type, null as entity_type, o.xid, o.event_key,
                   case when c.seq < %(whole_below)s::bigint then o.payload::text else '' end as payload,
                   case when c.seq < %(whole_below)s::bigint then nullif(o.headers, '{}')::text end as headers,
                   (date_part('epoch', least(greatest(o.created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint as created_us
              from bridge.outbox as o
             where c.source = 'event_queue' and o.id = c.event_id
               and o.created_at between c.earliest and c.latest
            union all
            select 'entity.changed', h.entity_type, h.xid, coalesce(h.event_key, h.entity_type || ':' || h.entity_id),
                   case when c.seq < %(whole_below)s::bigint then bridge.change_payload(h) else '' end,
                   case when c.seq < %(whole_below)s::bigint then nullif(h.headers, '{}')::text end,
                   (date_part('epoch', least(greatest(h.occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
              from bridge.history as h
             where c.source = 'entity_events' and h.id = c.event_id
               and h.occurred_at between c.earliest and c.latest
          ) as e on true
         order by is_replayed, c.seq
      ) as pending
      ) as sized
  ) as numbered
 where bytes - own_bytes < case when is_replayed then %(bytes)s / 2 else %(bytes)s end
 order by is_replayed, seq
