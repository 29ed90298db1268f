-- execute_briefly: run a statement that needs a table for itself, without a long queue behind it.
--
-- Parameters: statement
--             tries       how often
-- Returns:    nothing
-- Writes:     what the statement does
-- Errors:     55P03 lock_not_available after these; the statement's own
--
-- A try waits for a fifth of a second, in which all others wait behind it; then they pass. Each fifth waits for longer
-- than deadlock_timeout: then Postgres ends an autovacuum that is in the way, which it does not before.
create or replace function bridge.execute_briefly(statement text, tries integer default 20) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '200ms'
as $$
declare
    long_wait constant interval := current_setting('deadlock_timeout')::interval + interval '200 ms';
begin
    for attempt in 1 .. tries loop
        perform set_config('lock_timeout', case when attempt % 5 = 0 and long_wait <= interval '3 s'
                                                then (extract(epoch from long_wait) * 1000)::integer::text
                                                else '200' end, true);
        begin
            execute statement;
            return;
        exception when lock_not_available then
            if attempt = tries then
                raise exception 'a lock was not to be had: %', statement
                    using errcode = 'lock_not_available',
                          hint = 'Long transactions, VACUUM, CREATE INDEX or bridge verify keep it; try again.';
            end if;
        end;
        perform pg_sleep(0.1);
    end loop;
end $$;

revoke execute on function bridge.execute_briefly(text, integer) from public;
