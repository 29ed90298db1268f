-- computed_from: which columns of a table a generated column shows, or may show.
--
-- Parameters: relation
-- Returns:    name, of the generated column; shows, the name of one that it refers to
-- Writes:     nothing
-- Errors:     none
--
-- Only the catalog has this, and the snapshot may see it as it was. An expression that is exchanged (Postgres 17 and
-- later can) has the table rewritten, and then it may show any: the file is asked of the cache, which is always of now.
-- The catalog may have two rows of the table or of a column (bridge.current_columns): then what either says counts.
create or replace function bridge.computed_from(relation regclass) returns table (name name, shows name)
    language sql stable rows 2
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with file as (
        select current_setting('server_version_num')::integer >= 170000
               and coalesce(bool_or(nullif(c.relfilenode, 0) is distinct from pg_relation_filenode(relation)),
                            pg_relation_filenode(relation) is not null) as is_new
          from pg_class as c
         where c.oid = relation
    )
    select distinct a.attname, r.attname
      from file
      join pg_attribute as a on a.attrelid = relation and a.attgenerated <> '' and not a.attisdropped
      join pg_attribute as r on r.attrelid = relation and r.attnum > 0 and r.attnum <> a.attnum and not r.attisdropped
     where file.is_new
        or exists (select from pg_attrdef as f
                     join pg_depend as d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
                    where f.adrelid = relation and f.adnum = a.attnum and d.refclassid = 'pg_class'::regclass
                      and d.refobjid = relation and d.refobjsubid = r.attnum)
$$;

revoke execute on function bridge.computed_from(regclass) from public;
