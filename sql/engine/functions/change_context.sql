-- change_context: who acts in this transaction and from where, as far as the settings tell.
--
-- Returns:    performed_by   null unless the status is 'ok' or 'unverified': nobody is blamed on a doubtful setting
--             status         as in bridge.history.actor_status
--             origin         ip_address, user_agent, device and geo as bridge.set_actor() was told in this transaction
--             headers        {"traceparent": ...} where the setting bridge.traceparent is set
-- Writes:     nothing
-- Errors:     none: a write must not fail because its author is missing or malformed
--
-- After SET LOCAL and COMMIT a setting of our own reads as '', not as null; both mean missing. There is no SET clause,
-- because this runs once for each tracked statement and its callers have pinned search_path.
create or replace function bridge.change_context(
    out performed_by uuid,
    out status       text,
    out origin       jsonb,
    out headers      jsonb
)
    language plpgsql stable
as $$
declare
    actor text := nullif(current_setting('bridge.actor', true), '');
    token text := nullif(current_setting('bridge.actor_token', true), '');
    is_ours boolean := token = bridge.actor_token();   -- null where there is none
    trace_parent text := nullif(current_setting('bridge.traceparent', true), '');
begin
    if actor is not null then
        status := case when is_ours then 'ok' when token is null then 'unverified' else 'stale' end;
    else
        actor := nullif(current_setting('app.current_user_id', true), '');
        status := case when actor is null then 'missing' else 'unverified' end;
    end if;
    -- Four hyphens in their places, and hexadecimal digits: a regular expression would take longer than all the rest.
    if actor not like '________-____-____-____-____________'
            or translate(actor, '0123456789abcdefABCDEF', '') <> '----' then
        status := 'invalid';
    elsif status in ('ok', 'unverified') then
        performed_by := actor::uuid;
    end if;
    if is_ours then
        origin := nullif(current_setting('bridge.actor_context', true), '')::jsonb;
    end if;
    headers := case when trace_parent is null then '{}' else jsonb_build_object('traceparent', trace_parent) end;
end $$;
