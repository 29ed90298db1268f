-- json_value: json as jsonb; where it holds what jsonb cannot, {"$json": its text}.
--
-- Parameters: value
-- Returns:    jsonb
-- Writes:     nothing
-- Errors:     none but for a value that is too large
create or replace function bridge.json_value(value json) returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return value::jsonb;
exception when others then
    return jsonb_build_object('$json', value::text);
end $$;

revoke execute on function bridge.json_value(json) from public;
