-- current_columns: the columns that a table has now, whatever the transaction's snapshot is.
--
-- Parameters: relation
-- Returns:    number, name; type, which is null where it is not to be had; collation; generated, as
--             pg_attribute.attgenerated; computed_from: the numbers of the columns that a generated one refers to
-- Writes:     nothing
-- Errors:     none
--
-- Outside READ COMMITTED a query of the catalog sees it as it was when the transaction began, but rows have the columns
-- that the table has now. Functions for names and types look into the cache, which is always of now; the types' way
-- there is an expression that is parsed and not computed.
create or replace function bridge.current_columns(relation regclass)
    returns table (number int2, name name, type oid, "collation" oid, generated "char", computed_from int2[])
    language plpgsql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    numbers int2[] := '{}';
    names name[] := '{}';
    types oid[];
    collations oid[];
    found_name text;
begin
    if current_setting('transaction_isolation') like 'read %' then
        return query
            select a.attnum, a.attname, a.atttypid, a.attcollation, a.attgenerated,
                   case when a.attgenerated <> '' then bridge.computed_from(a.attrelid, a.attnum) end
              from pg_attribute as a
             where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
             order by a.attnum;
        return;
    end if;
    for n in 1 .. 1600 loop    -- Postgres' limit
        found_name := (pg_identify_object_as_address('pg_class'::regclass, relation, n)).object_names[3];
        exit when found_name is null;
        if has_column_privilege(relation, n::int2, 'select') is not null then    -- null: it was dropped
            numbers := numbers || n::int2;
            names := names || found_name::name;
        end if;
    end loop;
    begin
        execute format('select array[%s]::oid[]', (
            select string_agg(format('pg_typeof((null::%s).%I)', relation, c.name), ', ' order by c.position)
              from unnest(names) with ordinality as c (name, position))) into types;
        execute format('select array[%s]::oid[]', (
            select string_agg(case when coalesce(y.typcollation, 0) = 0 then '0'
                                   else format('pg_collation_for((null::%s).%I)::regcollation', relation, c.name) end,
                              ', ' order by c.position)
              from unnest(names, types) with ordinality as c (name, type, position)
              left join pg_type as y on y.oid = c.type)) into collations;
    exception when others then
        types := null;    -- this role may not use the table's schema
    end;
    return query
        select c.number, c.name, c.type, coalesce(c.collation, 0), coalesce(a.attgenerated, ''),
               case when a.attgenerated <> '' then bridge.computed_from(relation, c.number) end
          from unnest(numbers, names, types, collations) as c (number, name, type, "collation")
          left join pg_attribute as a on a.attrelid = relation and a.attnum = c.number
         order by c.number;
end $$;

revoke execute on function bridge.current_columns(regclass) from public;
