-- table_fingerprint: all of a table's definition that a generated trigger function relies on.
--
-- Parameters: relation   a constant in the caller's text
-- Returns:    text; another one after a column was added, dropped, renamed, retyped or computed from others, and after
--             a dump and restore
-- Writes:     nothing
-- Errors:     none
--
-- Declared immutable although it reads the catalog: so it is computed when the caller's statement is planned, and costs
-- nothing per row. Postgres itself throws the plan away when the table is altered, because the plan depends on the
-- constant. After a restore another table may have the number that the constant has: so the database is part of it.
create or replace function bridge.table_fingerprint(relation regclass) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select md5(jsonb_build_array(bridge.tracking_home(), relation::oid, bridge.parts_compute(relation), jsonb_agg(
               jsonb_build_array(c.number, c.name, c.type, c.collation, c.generated, c.computed_from)
               order by c.number))::text)
      from bridge.current_columns(relation) as c
$$;

revoke execute on function bridge.table_fingerprint(regclass) from public;
