-- The next events of a shard in order of seq, bounded by rows, bytes and numbers passed. Where it starts, and what was
-- read before: bridge/shard/position.py.
-- Each source is ordered and limited by itself, or there would be a sort of all that is pending instead of a merge.
-- What is larger than anything that Kafka could take is cut, and refused by the encoder, so that nobody's value fills the
-- relay's memory. Times beyond the years 1 to 9999, infinity among them, become the ends of these years.
-- From whole_below on, rows come without their content (bridge/postgres/around.py). Keys count twice, because a header
-- repeats them. In the bytes' running total the last event counts as nothing, so an event above the bound still comes,
-- alone.
-- In the place of -infinity comes the moment up to which partitions are finished (bridge.finished): as a literal, so that
-- the plan leaves them out.
-- An obstacle is what few events have: a time that has not come, parked ones of its key (by topic, the last of them), or
-- a transaction that this very snapshot does not see: then ids are another database's.
with bounds as materialized (
    select start, least(%(last)s::bigint, case when start < %(read_to)s::bigint - %(pass)s::bigint
                                               then start + %(pass)s::bigint end) as upto
      from (select bridge.scan_start(%(cursor)s::bigint, %(xids)s::text[], %(floors)s::bigint[], %(next_xid)s::text,
                               %(next_floor)s::bigint) as start) as s
), shard_now as materialized (
    select pg_current_snapshot() as snapshot, clock_timestamp() as now,
           exists (select from bridge.parked where shard = %(shard)s and blocks) as blocks_any
)
select source, seq, id, left(event_type, %(type_cut)s) as event_type,
       case when octet_length(event_key) > %(cut)s then left(event_key, %(cut)s) else event_key end as event_key,
       case when octet_length(payload) > %(cut)s then left(payload, %(cut)s) else payload end as payload,
       case when octet_length(headers) > %(headers_cut)s then left(headers, %(headers_cut)s) else headers end as headers,
       created_us, key_hash, left(entity_type, %(type_cut)s) as entity_type,
       case when %(with_xid)s then xid::text end as xid,
       case when available_at > (select now from shard_now)
              or not pg_visible_in_snapshot(xid, (select snapshot from shard_now))
              or (select blocks_any from shard_now)
                 and (select true from bridge.parked as p
                       where p.shard = %(shard)s and p.key_hash = numbered.key_hash and p.blocks
                       limit 1)
            then json_build_object(
                'due_us', case when available_at > (select now from shard_now)
                               then (date_part('epoch', least(available_at, '9999-12-30Z')) * 1000000)::bigint end,
                'is_foreign', not pg_visible_in_snapshot(xid, (select snapshot from shard_now)),
                'blocked', (select json_object_agg(t.topic, last.seq)
                              from unnest(%(topics)s::text[]) as t (topic)
                             cross join lateral (select p.seq from bridge.parked as p
                                                  where p.shard = %(shard)s and p.key_hash = numbered.key_hash
                                                    and p.topic = t.topic and p.blocks
                                                  order by p.shard desc, p.key_hash desc, p.topic desc, p.seq desc
                                                  limit 1) as last))::text end as obstacle,
       bytes
  from (
    select *, sum(own_bytes) over (order by seq rows unbounded preceding) as bytes
      from (
    select *, least(octet_length(payload), %(cut)s) + 2 * least(octet_length(event_key), %(cut)s)
              + least(coalesce(octet_length(headers), 0), %(headers_cut)s) as own_bytes
      from (
        (select 'event_queue' as source, seq, xid, id::text, event_type, event_key,
                case when seq < %(whole_below)s::bigint then payload::text else '' end as payload,
                case when seq < %(whole_below)s::bigint then nullif(headers, '{}')::text end as headers,
                (date_part('epoch', least(greatest(created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint as created_us,
                hashtextextended(event_key, 0) as key_hash, null as entity_type, available_at
           from bridge.outbox
          where shard = %(shard)s
            and created_at >= '-infinity'
            and seq > (select start from bounds)
            and seq <= (select upto from bounds)
            and (seq > %(read_to)s::bigint or not pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))
            and pg_visible_in_snapshot(xid, %(late_snapshot)s::pg_snapshot)
          order by seq
          limit %(rows)s)
        union all
        (select 'entity_events', seq, xid, id::text, 'entity.changed',
                coalesce(event_key, entity_type || ':' || entity_id),
                case when seq < %(whole_below)s::bigint then bridge.change_payload(h) else '' end,
                case when seq < %(whole_below)s::bigint then nullif(headers, '{}')::text end,
                (date_part('epoch', least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint,
                hashtextextended(coalesce(event_key, entity_type || ':' || entity_id), 0), entity_type, null::timestamptz
           from bridge.history as h
          where shard = %(shard)s
            and occurred_at >= '-infinity'
            and seq > (select start from bounds)
            and seq <= (select upto from bounds)
            and (seq > %(read_to)s::bigint or not pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))
            and pg_visible_in_snapshot(xid, %(late_snapshot)s::pg_snapshot)
          order by seq
          limit %(rows)s)
         order by seq
         limit %(rows)s
      ) as pending
      ) as sized
  ) as numbered
 where bytes - own_bytes < %(bytes)s
 order by seq
