-- current_actor: who acts in this transaction, as far as the settings tell.
--
-- Returns:    performed_by   null unless the status is 'ok' or 'unverified': nobody is blamed on a doubtful setting
--             status         as in bridge.entity_events.actor_status
-- Writes:     nothing
-- Errors:     none: a write must not fail because its author is missing or malformed
--
-- After SET LOCAL and COMMIT a setting of our own reads as '', not as null; both mean missing.
create or replace function bridge.current_actor(out performed_by uuid, out status text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    actor text := nullif(current_setting('bridge.actor', true), '');
    token text := nullif(current_setting('bridge.actor_token', true), '');
begin
    if actor is null then
        actor := nullif(current_setting('app.current_user_id', true), '');
        token := null;
    end if;
    if actor is null then
        status := 'missing';
        return;
    end if;
    status := case when actor !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then 'invalid'
                   when token is null then 'unverified'
                   when token <> bridge.actor_token() then 'stale'
                   else 'ok' end;
    if status in ('ok', 'unverified') then
        performed_by := actor::uuid;
    end if;
end $$;
