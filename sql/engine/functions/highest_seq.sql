-- highest_seq: the highest number that any event has, or has had as far as the ledger knows.
--
-- Returns:    bigint; 0 where there was none. bridge.event_seq must never stand below it
-- Writes:     nothing
-- Errors:     none
--
-- A batch in flight has passed numbers, too: where it was published, its shard goes on behind them.
create or replace function bridge.highest_seq() returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select max(greatest(
               s.scan_from, s.cursor, (s.in_flight -> 'position' ->> 'cursor')::bigint,
               (select max(o.seq) from bridge.outbox as o where o.shard = s.shard),
               (select max(h.seq) from bridge.history as h where h.shard = s.shard), 0))
      from bridge.shard as s
$$;
