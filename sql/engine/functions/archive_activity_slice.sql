-- archive_activity_slice: move old rows of the activity log into its archive, at most so many: for the keeper, which
-- gives each slice a transaction of its own.
--
-- Parameters: older_than   rows from before the UTC day this long ago are moved, but none that the policy keeps
--             most         at most so many
-- Returns:    how many rows were moved; fewer than `most`: no more are left
-- Writes:     bridge.activity_log, bridge.activity_log_archive and its partitions; bridge.archive_job if there were any
-- Errors:     22023 invalid_parameter_value where one of them is not positive
create or replace function bridge.archive_activity_slice(older_than interval, most integer default 10000) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '500ms'
as $$
declare
    started_at constant timestamptz := clock_timestamp();
    cutoff constant timestamptz := bridge.archive_cutoff(greatest(older_than, (
        select p.keep_for from bridge.partition_policy as p
         where p.parent = 'bridge.activity_log'::regclass and p.expiry = 'archive')));
    moved constant bigint := bridge.move_activity(cutoff, most);
begin
    if moved > 0 then
        insert into bridge.archive_job (source, target, older_than, rows_moved, started_at)
        values ('bridge.activity_log', 'bridge.activity_log_archive', cutoff, moved, started_at);
    end if;
    return moved;
end $$;

revoke execute on function bridge.archive_activity_slice(interval, integer) from public;
