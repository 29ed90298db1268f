-- index_columns: the columns that an index orders by, in its order; those that it merely includes are left out.
--
-- Parameters: subject   a row of pg_index
-- Returns:    their numbers
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.index_columns(subject pg_index) returns int2[]
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select array(select k.attnum from unnest(subject.indkey::int2[]) with ordinality as k (attnum, position)
                  where k.position <= subject.indnkeyatts order by k.position)
$$;

revoke execute on function bridge.index_columns(pg_index) from public;
