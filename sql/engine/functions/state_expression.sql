-- state_expression: SQL for the recorded state of a whole row, as jsonb.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             row       a variable that holds the row: new; ($1)
-- Returns:    text. Excluded and virtual columns are not touched; of masked ones only the name is there
-- Writes:     nothing
-- Errors:     none
--
-- jsonb_build_object() takes 100 arguments.
create or replace function bridge.state_expression(tracked bridge.tracked_table, "row" text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from bridge.tracked_columns(tracked) as c
                    where c.use not in ('key', 'plain') or not bridge.is_plain_type(c.type)
                       or bridge.base_type(c.type) = 'json'::regtype) then
        return format('to_jsonb(%s)', "row");
    end if;
    return coalesce((
        select string_agg(part, ' || ')
          from (select format('jsonb_build_object(%s)', string_agg(
                           format('%L::text, %s', c.name, case when c.use = 'masked' then '''[masked]''::text'
                                                   else bridge.column_expression("row", c.name, c.type) end),
                           ', ' order by c.number)) as part
                  from (select w.*, row_number() over (order by w.number) - 1 as position
                          from bridge.tracked_columns(tracked) as w where w.use in ('key', 'plain', 'masked')) as c
                 group by c.position / 50) as parts
    ), '''{}''::jsonb');
end $$;

revoke execute on function bridge.state_expression(bridge.tracked_table, text) from public;
