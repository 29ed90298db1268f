-- parts_compute: whether a table partition of a table has generated columns, which it may compute otherwise.
--
-- Parameters: relation
-- Returns:    boolean
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.parts_compute(relation regclass) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from bridge.member_tables(relation) as m (relation)
                     join pg_attribute as a on a.attrelid = m.relation and a.attgenerated <> ''
                    where m.relation <> parts_compute.relation)
$$;

revoke execute on function bridge.parts_compute(regclass) from public;
