-- retry_dead: let the relay publish a dead event after all, because its schema, route or topic was mended.
--
-- Parameters: event_id   of an event with status DEAD that nobody has decided about
--             why        kept with the decision
-- Returns:    whether there was one; it is PENDING now, and goes first among the events that waited for it
-- Writes:     as bridge.decide_dead
-- Errors:     as bridge.decide_dead
create or replace function bridge.retry_dead(event_id uuid, why text default null) returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return bridge.decide_dead(
        array(select p.seq from bridge.parked as p where p.event_id = retry_dead.event_id and p.state = 'dead'),
        'retried', why) > 0;
end $$;

revoke execute on function bridge.retry_dead(uuid, text) from public;
