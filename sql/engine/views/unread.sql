-- The events that no settled batch has read, but for those whose numbers were given twice (bridge.repair_numbers).
-- Together with what is parked and open, they are what is pending.
create or replace view bridge.unread as
select 'event_queue' as source, o.id, o.seq, o.shard, o.event_type, o.event_key, o.created_at as at, o.available_at,
       null as entity_type
  from bridge.shard as s
  join bridge.outbox as o on o.shard = s.shard and o.seq > s.scan_from
 where (o.seq > s.cursor or not pg_visible_in_snapshot(o.xid, s.snapshot))
   and (s.late_cursor is null or o.seq > s.late_cursor or not pg_visible_in_snapshot(o.xid, s.late_snapshot))
union all
select 'entity_events', h.id, h.seq, h.shard, 'entity.changed', 
       coalesce(h.event_key, h.entity_type || ':' || h.entity_id), h.occurred_at,
       null, h.entity_type
  from bridge.shard as s
  join bridge.history as h on h.shard = s.shard and h.seq > s.scan_from
 where (h.seq > s.cursor or not pg_visible_in_snapshot(h.xid, s.snapshot))
   and (s.late_cursor is null or h.seq > s.late_cursor or not pg_visible_in_snapshot(h.xid, s.late_snapshot));
