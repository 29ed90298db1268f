-- change_context: who acts in this transaction and from where, as far as the settings tell.
--
-- Returns:    performed_by   null unless the status is 'ok' or 'unverified': nobody is blamed on a doubtful setting
--             status         as in bridge.history.actor_status
--             headers        {"traceparent": ...} where the setting bridge.traceparent holds one; longer ones than any
--                            of the standard's (W3C Trace Context: 55 characters in version 00) are left out
--             ip_address, user_agent, device, geo   as bridge.set_actor() was told in this transaction
-- Writes:     nothing
-- Errors:     none: a write must not fail because its author is missing or malformed
--
-- After SET LOCAL and COMMIT a setting of our own reads as '', not as null; both mean missing. There is no SET clause,
-- because this runs once for each tracked row and its callers have pinned search_path.
create or replace function bridge.change_context(
    out performed_by uuid,
    out status       text,
    out headers      jsonb,
    out ip_address   inet,
    out user_agent   text,
    out device       jsonb,
    out geo          jsonb
)
    language plpgsql stable
as $$
declare
    actor text := nullif(current_setting('bridge.actor', true), '');
    token constant text := nullif(current_setting('bridge.actor_token', true), '');
    is_ours constant boolean := token = bridge.actor_token();   -- null where there is none
    origin jsonb;
begin
    if actor is not null then
        status := case when is_ours then 'ok' when token is null then 'unverified' else 'stale' end;
    else
        actor := nullif(current_setting('app.current_user_id', true), '');
        status := case when actor is null then 'missing' else 'unverified' end;
    end if;
    if is_ours and current_setting('bridge.actor_context', true) <> '' then
        begin
            origin := current_setting('bridge.actor_context', true)::jsonb;
            ip_address := (origin ->> 'ip_address')::inet;
            user_agent := origin ->> 'user_agent';
            device := nullif(origin -> 'device', 'null');
            geo := nullif(origin -> 'geo', 'null');
        exception when others then    -- not what bridge.set_actor() had written: so nothing of it is believed
            status := 'invalid';
        end;
    end if;
    -- Four hyphens in their places, and hexadecimal digits: a regular expression would take longer than all the rest.
    if actor not like '________-____-____-____-____________'
            or translate(actor, '0123456789abcdefABCDEF', '') <> '----' then
        status := 'invalid';
    elsif status in ('ok', 'unverified') then
        performed_by := actor::uuid;
    end if;
    headers := case when length(current_setting('bridge.traceparent', true)) between 1 and 200
                    then jsonb_build_object('traceparent', current_setting('bridge.traceparent', true))
                    else '{}' end;
end $$;
