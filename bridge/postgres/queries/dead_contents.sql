-- The next dead events from a number on, with their content; its text as in read_parked.sql, cut where that is asked for,
-- and with fewer events where it is long. Without content, of a row that Postgres cannot make text of, all but that.
select event_id, source, seq, shard, topic, event_type, event_key, reason, died_at, deaths, waits_behind, key_hash,
       entity_type, coalesce(left(payload, %(cut)s), '') as payload, headers, created_us,
       %(is_readable)s as is_readable
  from (
    select d.*, e.entity_type, e.payload, e.headers,
           coalesce(e.created_us, (date_part('epoch', d.at) * 1000000)::bigint) as created_us,
           coalesce(sum(octet_length(e.payload) + coalesce(octet_length(e.headers), 0)) over (
               order by d.seq rows between unbounded preceding and 1 preceding), 0) as bytes_before
      from (select *, case when at > '0001-01-03Z' then at - interval '1 ms' else '-infinity' end as earliest,
                   case when at < '9999-12-29Z' then at + interval '1 ms' else 'infinity' end as latest
              from bridge.dead_events(%(event_ids)s::uuid[], %(event_types)s::text[], %(event_keys)s::text[],
                              %(topics)s::text[], %(sources)s::text[], %(shards)s::integer[], %(died_of)s::text,
                              %(died_before)s::timestamptz, %(died_since)s::timestamptz)
             where seq > %(after)s
             order by seq
             limit %(most)s) as d
      left join lateral (
        select null as entity_type, case when %(is_readable)s then o.payload::text else '' end as payload,
               case when %(is_readable)s then nullif(o.headers, '{}')::text end as headers,
               (date_part('epoch', least(greatest(o.created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
                   as created_us
          from bridge.outbox as o
         where d.source = 'event_queue' and o.id = d.event_id and o.created_at between d.earliest and d.latest
        union all
        select h.entity_type, case when %(is_readable)s then bridge.change_payload(h) else '' end,
               case when %(is_readable)s then nullif(h.headers, '{}')::text end,
               (date_part('epoch', least(greatest(h.occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
          from bridge.history as h
         where d.source = 'entity_events' and h.id = d.event_id and h.occurred_at between d.earliest and d.latest
      ) as e on true
  ) as sized
 where bytes_before < %(bytes)s
 order by seq
