-- event_key_of: the key of a row's events as bridge.history.event_key holds it, from the row's state.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             state     the row, as bridge.state_expression() gives it
-- Returns:    text. Null where the table's events have the usual key, and where a column of it is null
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.event_key_of(tracked bridge.tracked_table, state jsonb) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when bool_and(state ->> n.name is not null)
                then tracked.event_key_texts[1]
                     || string_agg((state ->> n.name) || tracked.event_key_texts[n.position + 1], ''
                                   order by n.position) end
      from unnest(bridge.event_key_names(tracked)) with ordinality as n (name, position)
$$;

revoke execute on function bridge.event_key_of(bridge.tracked_table, jsonb) from public;
