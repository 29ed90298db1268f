-- skip_dead: give a dead event up; the events of its key that waited behind it go on.
--
-- Parameters: event_id   of an event with status DEAD; it stays DEAD
--             why        kept with the event's error message
-- Returns:    whether there was one
-- Writes:     bridge.event_queue or bridge.entity_events, bridge.shard, bridge.dead_event
-- Errors:     none of its own
create or replace function bridge.skip_dead(event_id uuid, why text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    dead bridge.dead_event;
begin
    select d.* into dead from bridge.dead_event as d where d.event_id = skip_dead.event_id;
    if not found then
        return false;
    end if;
    perform from bridge.shard as s where s.shard = dead.shard for update;   -- first, as a claim does
    delete from bridge.dead_event as d where d.event_id = skip_dead.event_id;
    if not found then           -- somebody else was faster
        return false;
    end if;
    update bridge.event_queue as q
       set error_message = concat_ws('; skipped: ', q.error_message, why)
     where dead.source = 'event_queue' and q.id = dead.event_id and q.status = 'DEAD';
    update bridge.entity_events as e
       set error_message = concat_ws('; skipped: ', e.error_message, why)
     where dead.source = 'entity_events' and e.id = dead.event_id and e.status = 'DEAD';
    -- Strictly lower than before in any case: that is how the relay notices.
    update bridge.shard as s set scan_from = least(s.scan_from, dead.seq) - 1 where s.shard = dead.shard;
    return true;
end $$;

revoke execute on function bridge.skip_dead(uuid, text) from public;
