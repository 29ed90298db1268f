-- computed_from: the columns that a generated column refers to.
--
-- Parameters: relation, number   of the generated column
-- Returns:    their numbers
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.computed_from(relation oid, number int2) returns int2[]
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select array(select distinct d.refobjsubid::int2
                   from pg_attrdef as f
                   join pg_depend as d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
                                      and d.refclassid = 'pg_class'::regclass and d.refobjid = f.adrelid
                  where f.adrelid = relation and f.adnum = number and d.refobjsubid not in (0, number)
                  order by 1)
$$;

revoke execute on function bridge.computed_from(oid, int2) from public;
