-- changed_expression: SQL for the names of the columns that an UPDATE changed, excluded ones left out.
--
-- Parameters: tracked               a row of bridge.tracked_table
--             old_row, new_row      variables that hold the row before and after
--             old_state, new_state  variables that hold their recorded states
-- Returns:    text, for an array of text
-- Writes:     nothing
-- Errors:     none
--
-- By the values' own equality where their JSON's is the same, which is cheapest (numeric 1.0 and 1.00 are equal, and so
-- are their JSON); of masked columns, which look alike before and after, by their bytes;
-- else by their JSON.
create or replace function bridge.changed_expression(
    tracked   bridge.tracked_table,
    old_row   text,
    new_row   text,
    old_state text,
    new_state text
) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('array_remove(array[%s]::text[], null)', coalesce(string_agg(
        case when c.use = 'masked'
                 then format('case when record_image_ne(row(%2$s.%1$I), row(%3$s.%1$I)) then %1$L end',
                             c.name, old_row, new_row)
             when bridge.base_type(c.type) = any (
                 '{int2,int4,int8,bool,uuid,date,timestamp,timestamptz,numeric,jsonb,text,varchar}'
                                ::regtype[]::oid[])
                  and (c.collation = 0 or exists (select from pg_collation as l
                                                   where l.oid = c.collation and l.collisdeterministic))
                 then format('case when %3$s.%1$I is distinct from %2$s.%1$I then %1$L end', c.name, old_row, new_row)
             else format('case when %3$s -> %1$L is distinct from %2$s -> %1$L then %1$L end',
                         c.name, old_state, new_state) end, ', ' order by c.number), ''))
      from bridge.tracked_columns(tracked) as c
     where c.use in ('key', 'plain', 'masked')
$$;

revoke execute on function bridge.changed_expression(bridge.tracked_table, text, text, text, text) from public;
