-- The next events of a shard in order of seq, bounded by rows and bytes. Where it starts: bridge/shard/position.py.
-- Each source is ordered and limited by itself, or there would be a sort of all that is pending instead of a merge.
-- A scan_from that was set back comes with events that were released, in the same snapshot: they are read first.
-- What waits behind a dead event of its key is left out; the hashed set of keys' hashes decides for nearly all.
-- Times beyond the years 1 to 9999, infinity among them, become the ends of these years: bridge/postgres/store.py.
-- From whole_below on, rows come without their content (bridge/postgres/around.py). Keys count twice, because a header repeats them. In the bytes' running total the last event counts as nothing, so an
-- event above the bound still comes, alone.
with start as materialized (
    select least(
        %(cursor)s::bigint,
        (select min(u.floor)
           from unnest(%(xids)s::text[], %(floors)s::bigint[]) as u (xid, floor)
          where pg_visible_in_snapshot(u.xid::xid8, pg_current_snapshot())),
        case when pg_snapshot_xmax(pg_current_snapshot()) > (%(next_xid)s::text)::xid8 then %(next_floor)s::bigint end,
        (select scan_from from bridge.shard where shard = %(shard)s and scan_from < %(scan_from)s)
    ) as seq
)
-- What is larger than anything that Kafka could take is cut here, and refused by the encoder, so that nobody's value
-- fills the relay's memory.
select source, seq, id, left(event_type, %(type_cut)s) as event_type,
       case when octet_length(event_key) > %(cut)s then left(event_key, %(cut)s) else event_key end as event_key,
       case when octet_length(payload) > %(cut)s then left(payload, %(cut)s) else payload end as payload,
       case when octet_length(headers) > %(headers_cut)s then left(headers, %(headers_cut)s) else headers end as headers,
       created_us, is_due, bytes
  from (
    select *, sum(own_bytes) over (order by seq rows unbounded preceding) as bytes
      from (
    select *, least(octet_length(payload), %(cut)s) + 2 * least(octet_length(event_key), %(cut)s)
              + least(coalesce(octet_length(headers), 0), %(headers_cut)s) as own_bytes
      from (
        (select 'event_queue' as source, seq, id::text, event_type, event_key,
                case when seq < %(whole_below)s::bigint then payload::text else '' end as payload,
                case when seq < %(whole_below)s::bigint then nullif(headers, '{}')::text end as headers,
                (date_part('epoch', least(greatest(created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint as created_us,
                available_at is null or available_at <= clock_timestamp() as is_due
           from bridge.event_queue q
          where shard = %(shard)s
            and seq > (select seq from start)
            and seq <= %(last)s::bigint
            and status = 'PENDING'
            and seq not in (select unnest(%(in_flight)s::bigint[]))  -- hashed, unlike <> all
            and event_type <> all (%(held)s::text[])
            and (hashtextextended(event_key, 0) not in (select hashtextextended(event_key, 0) from bridge.dead_event
                                                         where holds_key)
                 or not exists (select from bridge.dead_event d
                                 where hashtextextended(d.event_key, 0) = hashtextextended(q.event_key, 0)
                                   and d.event_key = q.event_key and d.source = 'event_queue' and d.holds_key
                                   and d.seq < q.seq))
          order by seq
          limit %(rows)s)
        union all
        (select 'entity_events', seq, id::text, 'entity.changed', entity_type || ':' || entity_id,
                case when seq < %(whole_below)s::bigint then json_build_object(
                    'id', id, 'seq', seq, 'entity_type', entity_type, 'entity_id', entity_id,
                    'entity_type_id', entity_type_id, 'entity_event_type', entity_event_type, 'action', action,
                    'performed_by', performed_by, 'actor_status', actor_status,
                    'previous_state', previous_state::text, 'new_state', new_state::text,
                    'changed_fields', changed_fields, 'change_summary', change_summary,
                    'occurred_at', occurred_at)::text else '' end,
                case when seq < %(whole_below)s::bigint then nullif(headers, '{}')::text end,
                (date_part('epoch', least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint,
                available_at is null or available_at <= clock_timestamp()
           from bridge.entity_events e
          where shard = %(shard)s
            and seq > (select seq from start)
            and seq <= %(last)s::bigint
            and status = 'PENDING'
            and seq not in (select unnest(%(in_flight)s::bigint[]))
            and 'entity.changed' <> all (%(held)s::text[])
            and (hashtextextended(entity_type || ':' || entity_id, 0)
                 not in (select hashtextextended(event_key, 0) from bridge.dead_event where holds_key)
                 or not exists (select from bridge.dead_event d
                                 where hashtextextended(d.event_key, 0)
                                       = hashtextextended(e.entity_type || ':' || e.entity_id, 0)
                                   and d.event_key = e.entity_type || ':' || e.entity_id and d.source = 'entity_events'
                                   and d.holds_key and d.seq < e.seq))
          order by seq
          limit %(rows)s)
         order by seq
         limit %(rows)s
      ) as pending
      ) as sized
  ) as numbered
 where bytes - own_bytes < %(bytes)s
 order by seq
