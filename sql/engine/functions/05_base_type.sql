-- base_type: what a domain is made of in the end; any other type is its own.
--
-- Parameters: type   of pg_type; null: not known
-- Returns:    of pg_type
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.base_type(type oid) returns oid
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    with recursive base as (
        select type as oid, 1 as step
        union all
        select y.typbasetype, b.step + 1 from base as b join pg_type as y on y.oid = b.oid and y.typtype = 'd'
    )
    select oid from base order by step desc limit 1
$$;

revoke execute on function bridge.base_type(oid) from public;
