-- event_key_expression: SQL for the key of a row's events as bridge.history.event_key holds it.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             row       a variable that holds the row: new; ($1)
-- Returns:    text. Null where the table's events have the usual key; it gives null, too, where a column of it is null
-- Writes:     nothing
-- Errors:     none
--
-- The same text as bridge.event_key_of() makes of the row's state.
create or replace function bridge.event_key_expression(tracked bridge.tracked_table, "row" text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(quote_literal(tracked.event_key_texts[1])
                    || string_agg(format(' || %s || %L', bridge.column_text("row", c.name, c.type, c.collation),
                                         tracked.event_key_texts[n.position + 1]), '' order by n.position),
                    'null::text')
      from unnest(bridge.event_key_names(tracked)) with ordinality as n (name, position)
      join bridge.tracked_columns(tracked) as c on c.name::text = n.name
$$;

revoke execute on function bridge.event_key_expression(bridge.tracked_table, text) from public;
