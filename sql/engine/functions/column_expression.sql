-- column_expression: SQL for one column of a row, as an argument of jsonb_build_object() or to_jsonb().
--
-- Parameters: row      a variable that holds the row: new; ($1)
--             name, type   the column's; type null: not known
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
--
-- to_jsonb() would look for a cast to json, and run it: somebody's function. So a value of a type that is not built in
-- is printed by its type's output function, which only a superuser can have installed.
create or replace function bridge.column_expression("row" text, name name, type oid) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when bridge.base_type(type) = 'json'::regtype
                    then format('bridge.json_value(%s.%I::pg_catalog.json)', "row", name)
                when bridge.is_plain_type(type) then format('%s.%I', "row", name)
                else format('case when num_nulls(%1$s.%2$I) = 0 then format(''%%s'', %1$s.%2$I) end', "row", name) end
$$;

revoke execute on function bridge.column_expression(text, name, oid) from public;
