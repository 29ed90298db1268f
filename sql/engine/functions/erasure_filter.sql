-- erasure_filter: what makes a row one of a subject's.
--
-- Parameters: parent        bridge.outbox, bridge.history, bridge.activity_log or bridge.activity_log_archive
--             entity_type   as in bridge.history; null: an application's own events
--             key           bridge.outbox.event_key, or the entity's id
-- Returns:    a condition as SQL text; null where that table has no rows of such a subject
-- Writes:     nothing
-- Errors:     none
--
-- What TRUNCATE leaves in the history under the id * holds no row's values.
create or replace function bridge.erasure_filter(parent text, entity_type text, key text) returns text
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if parent = 'bridge.outbox' then
        return case when entity_type is null then format('event_key = %L', key) end;
    end if;
    return format('hashtextextended(entity_id, 0) = hashtextextended(%1$L, 0) and entity_id = %1$L'
                  ' and entity_type = %2$L and action <> ''TRUNCATE''', key, entity_type);
end $$;

revoke execute on function bridge.erasure_filter(text, text, text) from public;
