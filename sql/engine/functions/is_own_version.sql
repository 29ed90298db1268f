-- is_own_version: whether this very transaction made a row's version that it has just replaced.
--
-- Parameters: maker   the version's xmin
--             own     pg_current_xact_id()
-- Returns:    boolean
-- Writes:     nothing
-- Errors:     none
--
-- A subtransaction has a number of its own, above its parent's. A version whose maker is above us is of one of ours, or
-- of a transaction that began after us and has committed: else we could not have replaced the version. Or it is frozen,
-- and so old that its number has come round: then it may look as if it had yet to begin.
create or replace function bridge.is_own_version(maker xid, own xid8) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    epoch constant bigint := own::text::bigint >> 32;
    above constant bigint := own::text::bigint & 4294967295;
    below constant bigint := maker::text::bigint;
begin
    if maker is null or age(maker) > age(own::xid) then
        return false;
    elsif below = above then
        return true;
    end if;
    return coalesce('in progress' = pg_xact_status(
        (((case when below < above then epoch + 1 else epoch end) << 32) | below)::text::xid8), false);
exception when invalid_parameter_value then
    return false;
end $$;

revoke execute on function bridge.is_own_version(xid, xid8) from public;
