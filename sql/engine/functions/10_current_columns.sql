-- current_columns: the columns that a table has now, whatever the snapshot is.
--
-- Parameters: relation
-- Returns:    number, name; type and collation, null where they are not to be had: the table is locked, or its schema
--             may not be used; generated, as pg_attribute.attgenerated; computed_from: the names of the columns that it
--             shows, if it is a generated one, or may be
-- Writes:     nothing
-- Errors:     none
--
-- A query of the catalog may see it as it was: outside READ COMMITTED when the transaction began, and else when the
-- statement began within which this is planned (a foreign key's cascade). Rows have the columns that the table has now.
-- Functions for names and types look into the cache, which is always of now. The rights of the function's owner are
-- needed for the name of the schema alone.
--
-- Types are to be had by the table's name only, which somebody can give to something else meanwhile, and a lock of his
-- makes that as long as he likes. `null::name` could be of a domain then, whose constraint is code of his, and even the
-- planner runs it, with our rights. %rowtype is of a table or a view, and nothing of it is computed; whether it is this
-- table's is asked of the catalog, by number. Volatile because Postgres lets nothing else execute DO.
--
-- Who writes to a table partition has a lock of that, and another may keep the partitioned table for himself: the
-- partition's columns have the same names and types, and are to be had without waiting.
--
-- A snapshot of a whole transaction sees two rows of one object in the catalog where another has changed it since, and
-- then this transaction, too: the old one, and our own. So nothing here joins the catalog for one row.
create or replace function bridge.current_columns(relation regclass)
    returns table (number int2, name name, type oid, "collation" oid, generated "char", computed_from name[])
    language plpgsql rows 20
    security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
    set lock_timeout = '200ms'
as $$
#variable_conflict use_column
declare
    probe constant text := 'declare r %s%%rowtype; begin'
        ' perform set_config(''bridge.probe'', array[%s]::oid[]::text, true); end';
    row_type text;    -- in quotes, as the columns: plpgsql has keywords of its own
    numbers int2[] := '{}';
    names name[] := '{}';
    fields text[] := '{}';
    types oid[];
    collations oid[];
    found_name text;
    probed regclass;
begin
    for n in 1 .. 1600 loop    -- Postgres' limit
        found_name := (pg_identify_object_as_address('pg_class'::regclass, relation, n)).object_names[3];
        exit when found_name is null;
        if has_column_privilege(relation, n::int2, 'select') is not null then    -- null: it was dropped
            numbers := numbers || n::int2;
            names := names || found_name::name;
            fields := fields || ('r."' || replace(found_name, '"', '""') || '"');
        end if;
    end loop;
    for probed in
        select * from bridge.locked_partition(relation) union all select relation loop
        row_type := (
            select string_agg('"' || replace(w.name, '"', '""') || '"', '.' order by w.position)
              from unnest((pg_identify_object_as_address('pg_class'::regclass, probed, 0)).object_names)
                   with ordinality as w (name, position));
        begin
            execute format('do %L', format(probe, row_type, concat_ws(', ', 'pg_typeof(r)', (
                select string_agg(format('pg_typeof(%s)', c.name), ', ' order by c.position)
                  from unnest(fields) with ordinality as c (name, position)))));
            types := current_setting('bridge.probe');
            if not exists (select from pg_type as y where y.oid = types[1] and y.typrelid = probed) then
                raise exception 'another table has the name of % now', probed;
            end if;
            types := types[2:];
            execute format('do %L', format(probe, row_type, (
                select string_agg(case when exists (select from pg_type as y
                                                     where y.oid = c.type and y.typcollation <> 0)
                                       then format('pg_collation_for(%s)::regcollation', c.name) else '0' end,
                                  ', ' order by c.position)
                  from unnest(fields, types) with ordinality as c (name, type, position))));
            collations := current_setting('bridge.probe');
            exit;
        exception when others then
            types := null;
        end;
    end loop;
    return query
        select c.number, c.name, c.type, c.collation, coalesce(a.generated, ''),
               -- one that the snapshot does not have, of a table that was rewritten since, may be a generated one
               case when a.generated is null
                         and exists (select from pg_class as p
                                      where p.oid = relation and p.relfilenode <> pg_relation_filenode(relation))
                    then names
                    else array(select f.shows from bridge.computed_from(relation) as f where f.name = c.name order by 1)
               end
          from unnest(numbers, names, types, collations) as c (number, name, type, "collation")
         cross join lateral (
            select max(w.attgenerated::text)::"char" as generated
              from pg_attribute as w where w.attrelid = relation and w.attnum = c.number
         ) as a
         order by c.number;
end $$;

revoke execute on function bridge.current_columns(regclass) from public;
