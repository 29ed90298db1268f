-- require_read_committed: refuse a transaction with one snapshot for all its statements: what is committed while a lock
-- is waited for would not be seen.
--
-- Parameters: what    cannot be done: the beginning of the message
-- Returns:    nothing
-- Writes:     nothing
-- Errors:     55000 object_not_in_prerequisite_state
create or replace function bridge.require_read_committed(what text default 'this cannot be done') returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception '% in a % transaction', what, current_setting('transaction_isolation')
            using errcode = 'object_not_in_prerequisite_state', hint = 'Begin it with: isolation level read committed.';
    end if;
end $$;

revoke execute on function bridge.require_read_committed(text) from public;
