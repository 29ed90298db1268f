-- careful_state: a row's recorded state, column by column, for a row that cannot be converted as a whole.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             subject   the row
-- Returns:    jsonb; in the place of a value that cannot be represented, {"$unrepresented": why}
-- Writes:     nothing
-- Errors:     none: no write fails because of what its row holds
--
-- jsonb holds a string of 256 MiB at most, and no more than that in an object.
create or replace function bridge.careful_state(tracked bridge.tracked_table, subject record) returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    most constant bigint := 200000000;    -- bytes
    state jsonb := '{}';
    value jsonb;
    found_column record;
begin
    for found_column in
        select c.name, case when c.use = 'masked' then '''[masked]''::text'
                            else bridge.column_expression('($1)', c.name, c.type) end as expression
          from bridge.tracked_columns(tracked) as c
         where c.use in ('key', 'plain', 'masked') loop
        begin
            execute format('select to_jsonb(%s)', found_column.expression) into value using subject;
            if pg_column_size(state) + pg_column_size(value) > most then
                raise exception 'the row is too large';
            end if;
        exception when others then
            value := jsonb_build_object('$unrepresented', left(sqlerrm, 200));
        end;
        state := state || jsonb_build_object(found_column.name, value);
    end loop;
    return state;
end $$;

revoke execute on function bridge.careful_state(bridge.tracked_table, record) from public;
