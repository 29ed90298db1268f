-- execute_briefly: run a statement that needs a table for itself, without a queue behind it.
--
-- Parameters: statement
-- Returns:    nothing
-- Writes:     what the statement does
-- Errors:     55P03 lock_not_available after 20 tries of a fifth of a second each; the statement's own
create or replace function bridge.execute_briefly(statement text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '200ms'
as $$
begin
    for attempt in 1 .. 20 loop
        begin
            execute statement;
            return;
        exception when lock_not_available then
            if attempt = 20 then
                raise exception 'a lock was not to be had: %', statement
                    using errcode = 'lock_not_available', hint = 'Long transactions write to the table; try again.';
            end if;
        end;
        perform pg_sleep(0.1);
    end loop;
end $$;

revoke execute on function bridge.execute_briefly(text) from public;
