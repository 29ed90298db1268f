-- highest_seq: the highest number that any event has, or has had as far as the ledger knows.
--
-- Returns:    bigint; 0 where there was none. bridge.event_seq must never stand below it
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.highest_seq() returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select max(greatest(
               s.scan_from,
               (select max(q.seq) from bridge.event_queue as q where q.shard = s.shard),
               (select max(e.seq) from bridge.entity_events as e where e.shard = s.shard), 0))
      from bridge.shard as s
$$;
