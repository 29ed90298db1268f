-- key_expression: SQL for a row's key as text, as bridge.history.entity_id holds it.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             row       a variable that holds the row: new; ($1)
-- Returns:    text. The value of one column; of several a JSON array, which cannot collide as 'a:b' would; '?' where a
--             column of the key was dropped, or became nullable and holds null
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.key_expression(tracked bridge.tracked_table, "row" text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when count(*) = 0 or count(*) < cardinality(tracked.key) then '''?''::text'
                when count(*) > 1 then format('jsonb_build_array(%s)::text', string_agg(
                    bridge.column_expression("row", c.name, c.type), ', ' order by c.key_position))
                else format('coalesce(%s, ''?'')',
                            min(bridge.column_text("row", c.name, c.type, c.collation))) end
      from bridge.tracked_columns(tracked) as c
     where c.use = 'key'
$$;

revoke execute on function bridge.key_expression(bridge.tracked_table, text) from public;
