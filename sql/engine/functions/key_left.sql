-- key_left: the row that held a key was deleted, or has another key now, and that was just recorded. If what this
-- transaction recorded of that key before is not the row's change before, the order is looked at.
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
declare
    is_next boolean;
begin
    select count(*) over () = 1
           or h.replaced is not null and h.filenode = lead(h.filenode) over w and h.replaced = lead(h.version) over w
      into is_next
      from bridge.history as h
     where hashtextextended(h.entity_id, 0) = hashtextextended(of_key, 0) and h.xid = pg_current_xact_id()
       and h.entity_id = of_key and h.entity_type = of_type and h.occurred_at >= bridge.transaction_floor()
    window w as (order by h.seq desc)
     order by h.seq desc
     limit 1;
    if is_next is not true then
        perform bridge.settle_changes(of_type, of_key);
    end if;
end $$;

revoke execute on function bridge.key_left(text, text) from public;
