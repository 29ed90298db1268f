-- Every event and what became of it, in one snapshot. Ids as the bytes of their text, as they are in the headers. One
-- that was to wait for its time has no place in the order.
select convert_to(id::text, 'UTF8'), case when available_at is null then seq end, status, retry_count
  from bridge.event_queue
union all
select convert_to(id::text, 'UTF8'), seq, status, retry_count from bridge.entity_events
