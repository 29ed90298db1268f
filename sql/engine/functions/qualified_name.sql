-- qualified_name: a table's name with its schema's, quoted where they must be.
--
-- Parameters: relation
-- Returns:    text; null where the table is gone
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.qualified_name(relation oid) returns text
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select format('%s.%s', c.relnamespace::regnamespace, quote_ident(c.relname))
      from pg_class as c
     where c.oid = relation
$$;
