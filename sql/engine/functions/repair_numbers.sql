-- repair_numbers: after bridge.event_seq was set back, let it go on above all numbers, and give pending events new
-- ones, because some were given twice and some lie below where scans begin.
--
-- Returns:    how many events got a new number; does nothing unless a shard was stopped for this reason
-- Writes:     bridge.event_seq, bridge.event_queue, bridge.entity_events, bridge.shard
-- Errors:     55P03 lock_not_available while writers are at work
--
-- Events are numbered in the order of their time, which is the order of writing for each key. What is in flight keeps
-- its number, which the ledger names; generations change, so that a relay that has read the former numbers claims none.
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
    lock table bridge.event_queue, bridge.entity_events, bridge.shard in share row exclusive mode;
    perform pg_current_xact_id();   -- before a number is drawn, as for every writer
    perform setval('bridge.event_seq', greatest(last_value, bridge.highest_seq())) from bridge.event_seq;
    with pending as (
        select 'event_queue' as source, q.id, q.created_at as at, q.seq, q.shard
          from bridge.event_queue as q where q.status = 'PENDING'
        union all
        select 'entity_events', e.id, e.occurred_at, e.seq, e.shard
          from bridge.entity_events as e where e.status = 'PENDING'
    ), waiting as (
        select p.source, p.id, p.at
          from pending as p join bridge.shard as s on s.shard = p.shard
         where p.seq <> all (case p.source when 'event_queue' then s.batch_event_queue else s.batch_entity_events end)
            or p.at not between s.batch_from and s.batch_to
         order by p.at, p.seq
    ), numbered as materialized (
        select w.*, nextval('bridge.event_seq') as seq from waiting as w
    ), of_the_queue as (
        update bridge.event_queue as q set seq = n.seq from numbered as n
         where n.source = 'event_queue' and q.id = n.id and q.created_at = n.at
        returning 1
    ), of_the_history as (
        update bridge.entity_events as e set seq = n.seq from numbered as n
         where n.source = 'entity_events' and e.id = n.id and e.occurred_at = n.at
        returning 1
    )
    select (select count(*) from of_the_queue) + (select count(*) from of_the_history) into renumbered;
    update bridge.shard set renumber = false, generation = generation + 1;
    return renumbered;
end $$;

revoke execute on function bridge.repair_numbers() from public;
