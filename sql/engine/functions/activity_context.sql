-- activity_context: where the actor acts from, as bridge.set_actor() said in this transaction.
--
-- Returns:    an object with ip_address, user_agent, device and geo; empty where nothing was said, or where it was left
--             behind by another transaction
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.activity_context() returns jsonb
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('bridge.actor_token', true) = bridge.actor_token() then
        return coalesce(nullif(current_setting('bridge.actor_context', true), ''), '{}')::jsonb;
    end if;
    return '{}';
end $$;
