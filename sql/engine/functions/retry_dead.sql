-- retry_dead: let the relay publish a dead event after all, because its schema, route or topic was mended.
--
-- Parameters: event_id   of an event with status DEAD
-- Returns:    whether there was one; it is PENDING now, and goes first among the events of its key that waited
-- Writes:     bridge.event_queue or bridge.entity_events, bridge.shard, bridge.dead_event
-- Errors:     none of its own
create or replace function bridge.retry_dead(event_id uuid) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    dead bridge.dead_event;
    changed bigint;
begin
    select d.* into dead from bridge.dead_event as d where d.event_id = retry_dead.event_id;
    if not found then
        return false;
    end if;
    perform from bridge.shard as s where s.shard = dead.shard for update;   -- first, as a claim does
    delete from bridge.dead_event as d where d.event_id = retry_dead.event_id;
    if not found then           -- somebody else was faster
        return false;
    end if;
    if dead.source = 'event_queue' then
        update bridge.event_queue as q
           set status = 'PENDING', processed_at = null, available_at = null, error_message = null
         where q.id = dead.event_id and q.status = 'DEAD';
    else
        update bridge.entity_events as e
           set status = 'PENDING', processed_at = null, available_at = null, error_message = null
         where e.id = dead.event_id and e.status = 'DEAD';
    end if;
    get diagnostics changed = row_count;
    -- Strictly lower than before in any case: that is how the relay notices.
    update bridge.shard as s
       set scan_from = least(s.scan_from, dead.seq) - 1,
           event_queue_dead = s.event_queue_dead - case dead.source when 'event_queue' then changed else 0 end,
           entity_events_dead = s.entity_events_dead - case dead.source when 'entity_events' then changed else 0 end
     where s.shard = dead.shard;
    return changed > 0;
end $$;

revoke execute on function bridge.retry_dead(uuid) from public;
