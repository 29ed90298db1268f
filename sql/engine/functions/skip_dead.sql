-- skip_dead: give a dead event up; the events that waited behind it go on.
--
-- Parameters: event_id   of an event with status DEAD that nobody has decided about; it stays DEAD
--             why        kept with the decision, and with the event's error message
-- Returns:    whether there was one
-- Writes:     as bridge.decide_dead
-- Errors:     as bridge.decide_dead
create or replace function bridge.skip_dead(event_id uuid, why text) returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return bridge.decide_dead(
        array(select p.seq from bridge.parked as p where p.event_id = skip_dead.event_id and p.state = 'dead'),
        'skipped', why) > 0;
end $$;

revoke execute on function bridge.skip_dead(uuid, text) from public;
