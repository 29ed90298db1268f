-- skip_dead: give a dead event up; the events of its key that waited behind it go on.
--
-- Parameters: event_id   of an event with status DEAD that nobody has decided about; it stays DEAD
--             why        kept with the event's error message
-- Returns:    whether there was one
-- Writes:     bridge.parked, bridge.shard
-- Errors:     none of its own
create or replace function bridge.skip_dead(event_id uuid, why text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    dead bridge.parked;
begin
    select p.* into dead from bridge.parked as p where p.event_id = skip_dead.event_id and p.state = 'dead';
    if not found then
        return false;
    end if;
    perform from bridge.shard as s where s.shard = dead.shard for update;   -- first, as a claim does
    update bridge.parked as p
       set state = 'skipped', blocks = false, stops = false, reason = concat_ws('; skipped: ', p.reason, why)
     where p.seq = dead.seq and p.state = 'dead';
    if not found then           -- somebody else was faster
        return false;
    end if;
    update bridge.shard as s set decisions = s.decisions + 1 where s.shard = dead.shard;
    return true;
end $$;

revoke execute on function bridge.skip_dead(uuid, text) from public;
