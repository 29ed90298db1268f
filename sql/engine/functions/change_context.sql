-- change_context: who acts in this transaction, and from where, as far as the settings tell.
--
-- Returns:    performed_by, status, headers   as bridge.actor_status() and its siblings have them
--             ip_address, user_agent, device, geo   as bridge.set_actor() was told in this transaction; where somebody
--                                             has put something else there, nothing of it is believed: 'invalid'
-- Writes:     nothing
-- Errors:     none: a write must not fail because its author is missing or malformed
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
    origin jsonb;
begin
    status := bridge.actor_status();
    performed_by := bridge.performed_by(status);
    headers := bridge.trace_headers();
    if status = 'ok' and current_setting('bridge.actor_context', true) <> '' then
        begin
            origin := current_setting('bridge.actor_context', true)::jsonb;
            ip_address := (origin ->> 'ip_address')::inet;
            user_agent := origin ->> 'user_agent';
            device := nullif(origin -> 'device', 'null');
            geo := nullif(origin -> 'geo', 'null');
        exception when others then
            status := 'invalid';
            performed_by := null;
        end;
    end if;
end $$;
