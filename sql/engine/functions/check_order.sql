-- check_order: whether the event of a key that was just recorded follows the one before it in this transaction; where
-- that is not certain, the order is put right.
--
-- Parameters: of_type, of_key   as in bridge.history
-- Returns:    nothing
-- Writes:     see bridge.settle_changes(); the setting bridge.disorder, for the transaction
-- Errors:     none
--
-- A change follows the one that made the version which it replaced. If that is the one before, nothing was recorded too
-- early, unless something was before: that is what the setting says.
--
-- Called only where a change may be recorded late: the new version has been locked or replaced since (its xmax), or the
-- row leaves a key that another has entered in this transaction (the setting bridge.entered).
create or replace function bridge.check_order(of_type text, of_key text) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
declare
    newest record;
    former record;
begin
    for former in
        select h.filenode, h.version, h.replaced
          from bridge.history as h
         where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
           and h.entity_id = of_key and h.entity_type = of_type and h.occurred_at >= bridge.transaction_floor()
         order by h.seq desc
         limit 2 loop
        if newest is null then
            newest := former;
        elsif (former.filenode = newest.filenode and former.version = newest.replaced) is not true
              or current_setting('bridge.disorder', true) = pg_current_xact_id()::text then
            perform set_config('bridge.disorder', pg_current_xact_id()::text, true),
                    bridge.settle_changes(of_type, of_key);
        end if;
    end loop;
end $$;

revoke execute on function bridge.check_order(text, text) from public;
