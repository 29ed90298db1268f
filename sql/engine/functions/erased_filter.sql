-- erased_filter: what a row is like of which bridge erase has left nothing; a header alone does not say so, for writers
-- choose theirs. bridge/keeping/subject.py has the same for cold files.
--
-- Parameters: parent   as bridge.erasure_filter has it
-- Returns:    a condition as SQL text, which may be null for other rows
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.erased_filter(parent text) returns text
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_event constant boolean := parent in ('bridge.outbox', 'bridge.history');
    mark constant text := format($sql$
        %1$s = jsonb_build_object('bridge_erased', %1$s -> 'bridge_erased')
        and %1$s ->> 'bridge_erased' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'$sql$,
        case when is_event then 'headers' else 'meta' end);
begin
    return mark || case parent
        when 'bridge.outbox' then $sql$ and payload = '{"erased": true}'$sql$
        when 'bridge.history' then $sql$
            and performed_by is null and changed_fields is null and change_summary = 'erased'
            and coalesce(previous_state, '{"erased": true}') = '{"erased": true}'
            and coalesce(new_state, '{"erased": true}') = '{"erased": true}'$sql$
        else $sql$
            and user_id is null and ip_address is null and user_agent is null and device is null
            and geo is null$sql$ end;
end $$;

revoke execute on function bridge.erased_filter(text) from public;
