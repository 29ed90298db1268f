-- The next dead events from a number on, with their content; its text as in read_parked.sql, cut where that is asked for.
select d.event_id, d.source, d.seq, d.shard, d.topic, d.event_type, d.event_key, d.reason, d.died_at, d.deaths,
       d.waits_behind, d.key_hash, e.entity_type,
       coalesce(left(e.payload, %(cut)s), '') as payload, e.headers,
       coalesce(e.created_us, (date_part('epoch', d.at) * 1000000)::bigint) as created_us
  from (select *, case when at > '0001-01-03Z' then at - interval '1 ms' else '-infinity' end as earliest,
               case when at < '9999-12-29Z' then at + interval '1 ms' else 'infinity' end as latest
          from bridge.dead_events(%(event_ids)s::uuid[], %(event_types)s::text[], %(event_keys)s::text[],
                          %(topics)s::text[], %(sources)s::text[], %(shards)s::integer[], %(died_of)s::text,
                          %(died_before)s::timestamptz, %(died_since)s::timestamptz)
         where seq > %(after)s
         order by seq
         limit %(most)s) as d
  left join lateral (
    select null as entity_type, o.payload::text as payload, nullif(o.headers, '{}')::text as headers,
           (date_part('epoch', least(greatest(o.created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
               as created_us
      from bridge.outbox as o
     where d.source = 'event_queue' and o.id = d.event_id and o.created_at between d.earliest and d.latest
    union all
    select h.entity_type, bridge.change_payload(h), nullif(h.headers, '{}')::text,
           (date_part('epoch', least(greatest(h.occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
      from bridge.history as h
     where d.source = 'entity_events' and h.id = d.event_id and h.occurred_at between d.earliest and d.latest
  ) as e on true
 order by d.seq
