-- reopen_partition: trigger function of table partitions that are finished, and of the default ones: an event that is
-- written there all the same is to be read.
--
-- Parameters: control   the partition key, as the trigger's argument
-- Returns:    nothing, after each row
-- Writes:     bridge.finished
-- Errors:     40001 serialization_failure in a transaction whose snapshot is older than what it has to move back
--
-- Such an event's time lies behind the clock: the clock was set back, or its owner chose the time. With the rights of
-- its owner, so that who writes events needs none on the table.
create or replace function bridge.reopen_partition() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    written_at timestamptz;
begin
    if tg_argv[0] = 'created_at' then
        written_at := new.created_at;
    else
        written_at := new.occurred_at;
    end if;
    if current_setting('transaction_isolation') <> 'read committed' then
        perform from bridge.finished for share;   -- fails where it has changed since the snapshot
    end if;
    update bridge.finished set up_to = written_at where up_to > written_at;
    return null;
end $$;

revoke execute on function bridge.reopen_partition() from public;
