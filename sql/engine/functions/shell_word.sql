-- shell_word: a text as it is typed in a shell, in quotes where it needs them: for commands that are advised.
--
-- Parameters: value
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.shell_word(value text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select case when value ~ '^[a-zA-Z0-9_.]+$' then value
                else '''' || replace(value, '''', '''"''"''') || '''' end
$$;

revoke execute on function bridge.shell_word(text) from public;
