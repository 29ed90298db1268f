-- repair_numbers: after bridge.event_seq was set back, let it go on above all numbers, and give pending events new
-- ones, because some were given twice and some lie below where scans begin.
--
-- Returns:    how many events got a new number; does nothing where bridge.is_set_back() says no
-- Writes:     bridge.event_seq, bridge.outbox, bridge.history, bridge.shard, bridge.finished
-- Errors:     55P03 lock_not_available while writers are at work
--
-- The one place where an event is changed after its commit. What was not read is told by its transaction alone, as
-- in bridge.unread, but wherever its number lies: some were given twice. What a batch in flight has read keeps its
-- number, for a shard that is not stopped goes on behind it once Kafka says that it was published. Events are numbered
-- in the order of their time, which is the order of writing for each key; but those that one transaction has written of
-- a key keep their order, for bridge.settle_changes puts them right by their numbers and leaves the times. Generations
-- change, so that a relay that has read the former numbers claims none.
create or replace function bridge.repair_numbers() returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $$
declare
    renumbered bigint;
begin
    if not bridge.is_set_back() then
        return 0;
    end if;
    lock table bridge.outbox, bridge.history, bridge.shard in share row exclusive mode;
    perform pg_current_xact_id();   -- before a number is drawn, as for every writer
    perform setval('bridge.event_seq', greatest(pg_sequence_last_value('bridge.event_seq'), bridge.highest_seq(), 1));
    with read as materialized (
        select shard, cursor, snapshot from bridge.shard
        union all
        select shard, late_cursor, late_snapshot from bridge.shard
        union all
        select s.shard, f.cursor, f.snapshot
          from bridge.shard as s,
               jsonb_to_record(s.in_flight -> 'position') as p (cursor bigint, snapshot pg_snapshot,
                                                                late_cursor bigint, late_snapshot pg_snapshot),
               lateral (values (p.cursor, p.snapshot), (p.late_cursor, p.late_snapshot)) as f (cursor, snapshot)
    ), numbered as materialized (
        select e.source, e.id, e.at, nextval('bridge.event_seq') as seq
          from (select u.source, u.id, u.at, u.seq, min(u.at) over w as first_at, min(u.seq) over w as first_seq
                  from (select 'event_queue' as source, id, created_at as at, seq, xid, shard, event_key as key
                          from bridge.outbox
                        union all
                        select 'entity_events', id, occurred_at, seq, xid, shard,
                               coalesce(event_key, entity_type || ':' || entity_id)
                          from bridge.history) as u
                  join bridge.shard as s on s.shard = u.shard
                   and (u.seq > s.all_to or u.at > s.all_at and not pg_visible_in_snapshot(u.xid, s.all_snapshot))
                 where not exists (select from read as r
                                    where r.shard = u.shard and u.seq <= r.cursor
                                      and pg_visible_in_snapshot(u.xid, r.snapshot))
                window w as (partition by u.key, u.xid)
                 order by first_at, first_seq, u.seq) as e
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
