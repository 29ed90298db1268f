-- key_left: the row that held a key was deleted, or has another key now. If this transaction has recorded anything else
-- of that key, the order is looked at.
--
-- Parameters: of_type, of_key   as in bridge.history
-- Returns:    nothing
-- Writes:     see bridge.settle_changes()
-- Errors:     none
--
-- Whoever calls this asks the setting bridge.entered first: in it stands the transaction that has recorded that a row
-- entered a key, and only then can another row hold this one's.
create or replace function bridge.key_left(of_type text, of_key text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
begin
    if 1 < (select count(*) from bridge.history as h
             where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
               and h.entity_id = of_key and h.entity_type = of_type
               and h.occurred_at >= bridge.transaction_floor()) then
        perform bridge.settle_changes(of_type, of_key);
    end if;
end $$;

revoke execute on function bridge.key_left(text, text) from public;
grant execute on function bridge.key_left(text, text) to bridge_capture;
