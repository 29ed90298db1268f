-- table_fingerprint: all of a table's definition that a generated trigger function relies on.
--
-- Parameters: relation   a constant in the caller's text
-- Returns:    text; another one after a column was added, dropped, renamed or retyped, and after a dump and restore
-- Writes:     nothing
-- Errors:     none
--
-- Declared immutable although it reads the catalog: so it is computed when the caller's statement is planned, and costs
-- nothing per row. Postgres itself throws the plan away when the table is altered, because the plan depends on the
-- constant. After a restore another table may have the number that the constant has, and bridge.tracked_table has
-- another number than before.
create or replace function bridge.table_fingerprint(relation regclass) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select md5(concat('bridge.tracked_table'::regclass::oid, relation::oid, string_agg(
               concat_ws(' ', attnum, attname, atttypid, attcollation, attgenerated), ',' order by attnum)))
      from pg_attribute
     where attrelid = relation and attnum > 0 and not attisdropped
$$;

revoke execute on function bridge.table_fingerprint(regclass) from public;
grant execute on function bridge.table_fingerprint(regclass) to bridge_capture;
