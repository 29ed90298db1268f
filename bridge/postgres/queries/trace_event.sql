-- One event by its id, with what became of it. A time that Python cannot hold is the nearest that it can. `is_read`: a
-- settled position has passed it; `is_in_flight`: the batch has that is claimed and not settled.
-- The tick is the first that stands behind the event, and the one before it.
with event as (
    select 'event_queue' as source, o.id, o.xid, o.seq, o.shard, o.event_type, null::text as entity_type, o.event_key,
           o.created_at as written_at, o.available_at, o.headers ->> 'bridge_erased' as erasure
      from bridge.outbox as o
     where o.id = %(id)s
     union all
    select 'entity_events', h.id, h.xid, h.seq, h.shard, 'entity.changed', h.entity_type,
           coalesce(h.event_key, h.entity_type || ':' || h.entity_id), h.occurred_at, null,
           h.headers ->> 'bridge_erased'
      from bridge.history as h
     where h.id = %(id)s
     limit 1
)
select e.source, e.id, e.xid::text as transaction, e.seq, e.shard, e.event_type, e.entity_type, e.event_key as key,
       least(greatest(e.written_at, '0001-01-02Z'), '9999-12-30Z') as written_at,
       least(greatest(e.available_at, '0001-01-02Z'), '9999-12-30Z') as available_at, e.erasure,
       hashtextextended(e.event_key, 0) as key_hash,
       s.shard is null or e.seq <= s.all_to
       or e.seq <= s.cursor and pg_visible_in_snapshot(e.xid, s.snapshot)
       or coalesce(e.seq <= s.late_cursor and pg_visible_in_snapshot(e.xid, s.late_snapshot), false) as is_read,
       coalesce(e.seq <= f.cursor and (e.seq <= f.scan_from or pg_visible_in_snapshot(e.xid, f.snapshot)), false)
       or coalesce(e.seq <= f.late_cursor and pg_visible_in_snapshot(e.xid, f.late_snapshot), false) as is_in_flight,
       t.at as read_by, t.batch_no as batch_no, b.at as read_after, b.batch_no as batch_before
  from event as e
  left join bridge.shard as s on s.shard = e.shard
  left join lateral jsonb_to_record(s.in_flight -> 'position')
                 as f (scan_from bigint, cursor bigint, snapshot pg_snapshot,
                       late_cursor bigint, late_snapshot pg_snapshot)
         on true
  left join lateral (
    select at, batch_no
      from bridge.tick
     where tick.shard = e.shard and tick.cursor >= e.seq
       and (e.seq <= tick.scan_from or pg_visible_in_snapshot(e.xid, tick.snapshot))
     order by tick.cursor, tick.batch_no
     limit 1) as t on true
  left join lateral (
    select at, batch_no
      from bridge.tick
     where tick.shard = e.shard and tick.batch_no < t.batch_no
     order by tick.batch_no desc
     limit 1) as b on true
