-- retry_dead: let the relay publish a dead event after all, because its schema, route or topic was mended.
--
-- Parameters: event_id   of an event with status DEAD that nobody has decided about
-- Returns:    whether there was one; it is PENDING now, and goes first among the events of its key that waited
-- Writes:     bridge.parked, bridge.shard
-- Errors:     none of its own
create or replace function bridge.retry_dead(event_id uuid) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    dead bridge.parked;
begin
    select p.* into dead from bridge.parked as p where p.event_id = retry_dead.event_id and p.state = 'dead';
    if not found then
        return false;
    end if;
    perform from bridge.shard as s where s.shard = dead.shard for update;   -- first, as a claim does
    update bridge.parked as p
       set state = 'retried', since = clock_timestamp()
     where p.seq = dead.seq and p.state = 'dead';
    if not found then           -- somebody else was faster
        return false;
    end if;
    update bridge.shard as s
       set decisions = s.decisions + 1,
           event_queue_dead = s.event_queue_dead - (dead.source = 'event_queue')::integer,
           entity_events_dead = s.entity_events_dead - (dead.source = 'entity_events')::integer
     where s.shard = dead.shard;
    return true;
end $$;

revoke execute on function bridge.retry_dead(uuid) from public;
