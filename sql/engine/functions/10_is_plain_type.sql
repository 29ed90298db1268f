-- is_plain_type: whether to_jsonb() of a value of this type runs no code but Postgres' own, and never fails.
--
-- Parameters: type   of pg_type; null: not known, so not plain
-- Returns:    boolean. json is plain, but what it holds may not fit into jsonb: bridge.column_expression
-- Writes:     nothing
-- Errors:     none
--
-- A composite type is not: its owner may add a column to it, of a type for which he has written a cast to json.
create or replace function bridge.is_plain_type(type oid) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    known constant pg_type := (select y from pg_type as y where y.oid = type limit 1);    -- of two, alike in this
begin
    return case when known.typtype = 'd' then bridge.is_plain_type(known.typbasetype)
                when known.typsubscript = 'array_subscript_handler'::regproc
                    then known.typelem <> 'json'::regtype and bridge.is_plain_type(known.typelem)
                else coalesce(known.oid < 16384 and known.typtype in ('b', 'r', 'm'), false) end;   -- built in
end $$;

revoke execute on function bridge.is_plain_type(oid) from public;
