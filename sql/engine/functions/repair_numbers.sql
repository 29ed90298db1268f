-- repair_numbers: after bridge.event_seq was set back, let it go on above all numbers, and give pending events new
-- ones, because some were given twice and some lie below where scans begin.
--
-- Returns:    how many events got a new number; does nothing unless a shard was stopped for this reason
-- Writes:     bridge.event_seq, bridge.outbox, bridge.history, bridge.shard, bridge.finished
-- Errors:     55P03 lock_not_available while writers are at work
--
-- The one place where an event is changed after its commit. What was not read is told by its transaction alone, as
-- in bridge.unread, but wherever its number lies: some were given twice. Events are numbered in the order of their
-- time, which is the order of writing for each key. Generations change, so that a relay that has read the former
-- numbers claims none.
create or replace function bridge.repair_numbers() returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $$
declare
    renumbered bigint;
begin
    if not exists (select from bridge.shard where renumber) then
        return 0;
    end if;
    lock table bridge.outbox, bridge.history, bridge.shard in share row exclusive mode;
    perform pg_current_xact_id();   -- before a number is drawn, as for every writer
    perform setval('bridge.event_seq', greatest(last_value, bridge.highest_seq())) from bridge.event_seq;
    with numbered as materialized (
        select u.source, u.id, u.at, nextval('bridge.event_seq') as seq
          from (select 'event_queue' as source, o.id, o.created_at as at, o.seq
                  from bridge.outbox as o join bridge.shard as s on s.shard = o.shard
                 where o.seq > s.all_to and (o.seq > s.cursor or not pg_visible_in_snapshot(o.xid, s.snapshot))
                   and (s.late_cursor is null or o.seq > s.late_cursor
                        or not pg_visible_in_snapshot(o.xid, s.late_snapshot))
                union all
                select 'entity_events', h.id, h.occurred_at, h.seq
                  from bridge.history as h join bridge.shard as s on s.shard = h.shard
                 where h.seq > s.all_to and (h.seq > s.cursor or not pg_visible_in_snapshot(h.xid, s.snapshot))
                   and (s.late_cursor is null or h.seq > s.late_cursor
                        or not pg_visible_in_snapshot(h.xid, s.late_snapshot))
                 order by at, seq) as u
    ), of_the_outbox as (
        update bridge.outbox as o set seq = n.seq, xid = pg_current_xact_id() from numbered as n
         where n.source = 'event_queue' and o.id = n.id and o.created_at = n.at
        returning 1
    ), of_the_history as (
        update bridge.history as h set seq = n.seq, xid = pg_current_xact_id() from numbered as n
         where n.source = 'entity_events' and h.id = n.id and h.occurred_at = n.at
        returning 1
    )
    select (select count(*) from of_the_outbox) + (select count(*) from of_the_history) into renumbered;
    update bridge.shard set renumber = false, generation = generation + 1;
    update bridge.finished set up_to = '-infinity';   -- what was renumbered may lie anywhere
    return renumbered;
end $$;

revoke execute on function bridge.repair_numbers() from public;
