-- cold_query: the statement that reads a table as cold files have it.
--
-- Parameters: relation   a table
--             pinned     a view of it: see bridge.pin_table()
-- Returns:    a statement with one parameter, the place (tid) after which it begins: each row's place as text, and its
--             values as text (bridge.cold_columns), in the order of places
-- Writes:     nothing
-- Errors:     none
--
-- By place, because a table need not have a key, and this is the order in which it lies on disk: where a part of it
-- ends the next read begins without a search.
create or replace function bridge.cold_query(relation oid, pinned text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return format('select p.version::text as place, array[%s]::text[] as stored'
                  '  from %s as p cross join lateral (select (p.entire).*) as t where p.version > $1',
                  (select string_agg(c.expression, ', ' order by c.number) from bridge.cold_columns(relation) as c),
                  pinned);
end $$;

revoke execute on function bridge.cold_query(oid, text) from public;
