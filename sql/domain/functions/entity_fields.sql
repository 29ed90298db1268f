-- entity_fields: the keys that specific_data may have for a type of entity: its own table's columns, and status.
--
-- Parameters: table_name   of crm.entity_types
-- Returns:    a row for each: its SQL type, the JSON type it is given as, whether it may be null, and whether an entity
--             cannot be created without it
-- Writes:     nothing
-- Errors:     none
create or replace function crm.entity_fields(table_name name)
    returns table (name text, type text, json_type text, is_nullable boolean, is_required boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select a.attname::text, format_type(a.atttypid, a.atttypmod),
           case t.typcategory when 'N' then 'number' when 'B' then 'boolean' else 'string' end,
           not a.attnotnull, a.attnotnull and not a.atthasdef
      from pg_attribute as a
      join pg_type as t on t.oid = a.atttypid
     where a.attrelid = to_regclass(format('crm.%I', table_name))
       and a.attnum > 0 and not a.attisdropped and a.attname not in ('id', 'created_at', 'updated_at')
    union all
    select 'status', 'text', 'string', false, false
$$;

revoke execute on function crm.entity_fields(name) from public;
