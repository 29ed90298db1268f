-- check_entity_data: refuse specific_data that does not fit its type of entity, naming what is wrong.
--
-- Parameters: entity_type     a row of crm.entity_types
--             specific_data   the object given to fn_create_entity or fn_update_entity
--             is_complete     true: required keys must be there
-- Returns:    nothing
-- Writes:     nothing
-- Errors:     22023 invalid_parameter_value   not an object; unknown keys
--             23502 not_null_violation        keys that are missing or null and must not be
--             42804 datatype_mismatch         a value of another JSON type than its column takes
--             22xxx                           a value that its column's type refuses, with that type's own code
create or replace function crm.check_entity_data(
    entity_type   crm.entity_types,
    specific_data jsonb,
    is_complete   boolean
) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
as $$
declare
    type_name constant text := entity_type.display_name;
    wrong text;
    known text;
    field record;
begin
    if jsonb_typeof(specific_data) is distinct from 'object' then
        raise exception 'the data of % must be a JSON object, not %', type_name,
            coalesce(jsonb_typeof(specific_data), 'null') using errcode = 'invalid_parameter_value';
    end if;

    select string_agg(format('"%s"', key), ', ' order by key) into wrong
      from jsonb_object_keys(specific_data) as key
     where key not in (select f.name from crm.entity_fields(entity_type.table_name) as f);
    if wrong is not null then
        select string_agg(f.name, ', ' order by f.name) into known from crm.entity_fields(entity_type.table_name) as f;
        raise exception 'unknown key % in the data of %', wrong, type_name
            using errcode = 'invalid_parameter_value', hint = format('Known keys are: %s.', known);
    end if;

    select string_agg(format('"%s"', f.name), ', ' order by f.name) into wrong
      from crm.entity_fields(entity_type.table_name) as f
     where (is_complete and f.is_required and not specific_data ? f.name)
        or (not f.is_nullable and specific_data -> f.name = 'null');
    if wrong is not null then
        raise exception 'the data of % needs a value for %', type_name, wrong
            using errcode = 'not_null_violation', schema = 'crm', table = entity_type.table_name;
    end if;

    for field in select f.*, specific_data -> f.name as value
                   from crm.entity_fields(entity_type.table_name) as f
                  where jsonb_typeof(specific_data -> f.name) <> 'null' loop
        if jsonb_typeof(field.value) <> field.json_type then
            raise exception '"%" in the data of % must be a JSON %, not %', field.name, type_name, field.json_type,
                jsonb_typeof(field.value) using errcode = 'datatype_mismatch', column = field.name;
        end if;
        continue when field.type = 'text';
        begin
            execute format('select ($1 #>> ''{}'')::%s', field.type) using field.value;
        exception when data_exception then
            raise exception '"%" in the data of %: %', field.name, type_name, sqlerrm
                using errcode = sqlstate, column = field.name;
        end;
    end loop;
end $$;

revoke execute on function crm.check_entity_data(crm.entity_types, jsonb, boolean) from public;
