-- set_actor: say who acts in this transaction, and from where.
--
-- Parameters: actor       the user's id, a uuid as text; anything else is recorded as 'invalid', never refused
--             ip_address, user_agent, device, geo   go into bridge.activity_log
-- Returns:    nothing
-- Writes:     settings local to the transaction: bridge.actor, bridge.actor_token, bridge.actor_context
-- Errors:     none of its own
--
-- The token ties the setting to this transaction. A value that a pooled connection has carried over from another
-- transaction has another's token, and is recorded as 'stale' instead of blaming the wrong person.
create or replace function bridge.set_actor(
    actor      text,
    ip_address inet default null,
    user_agent text default null,
    device     jsonb default null,
    geo        jsonb default null
) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('bridge.actor', coalesce(left(actor, 200), ''), true),
            set_config('bridge.actor_token', bridge.actor_token(), true),
            set_config('bridge.actor_context', jsonb_build_object(
                'ip_address', host(ip_address), 'user_agent', user_agent, 'device', device, 'geo', geo)::text, true);
end $$;
