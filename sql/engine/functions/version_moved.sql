-- version_moved: an update that gives no event replaced a version that this very transaction had made.
--
-- Parameters: of_type, of_key   as in bridge.history
--             of_relation       where the row lies
--             old_version, new_version
-- Returns:    nothing
-- Writes:     the event that made the old version stands for the new one from now on: else the next change of the row
--             would not be found to follow it (bridge.settle_changes)
-- Errors:     none
create or replace function bridge.version_moved(
    of_type     text,
    of_key      text,
    of_relation oid,
    old_version tid,
    new_version tid
) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan
    set jit = off
as $$
declare
    of_filenode constant oid := pg_relation_filenode(of_relation);
begin
    update bridge.history as h set version = new_version
     where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
       and h.entity_id = of_key and h.entity_type = of_type and h.filenode = of_filenode and h.version = old_version
       and h.occurred_at >= bridge.transaction_floor();
    if not found then    -- that event is still to be recorded
        insert into bridge.moved_version (filenode, version, became) values (of_filenode, old_version, new_version);
    end if;
    if exists (select from bridge.history as h    -- what followed was recorded first
                where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
                  and h.entity_id = of_key and h.entity_type = of_type and h.filenode = of_filenode
                  and h.replaced = coalesce(bridge.latest_version(of_filenode, new_version), new_version)
                  and h.occurred_at >= bridge.transaction_floor()) then
        perform bridge.settle_changes(of_type, of_key);
    end if;
end $$;

revoke execute on function bridge.version_moved(text, text, oid, tid, tid) from public;
