-- archive_old_activity_logs: move old rows of the activity log into its archive.
--
-- Parameters: older_than   rows from before the UTC day this long ago are moved
-- Returns:    how many rows were moved
-- Writes:     bridge.activity_log, bridge.activity_log_archive and its partitions, bridge.archive_job
-- Errors:     22023 invalid_parameter_value where older_than is not positive
--
-- In slices, so that no statement gets long; but all of them belong to the caller's transaction. The keeper calls
-- bridge.archive_activity_slice(), a transaction for each.
create or replace function bridge.archive_old_activity_logs(older_than interval default '3 months') returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    slice constant integer := 10000;
    started_at constant timestamptz := clock_timestamp();
    cutoff constant timestamptz := bridge.archive_cutoff(older_than);
    moved bigint := 0;
    of_this bigint;
begin
    loop
        of_this := bridge.move_activity(cutoff, slice);
        moved := moved + of_this;
        exit when of_this < slice;
    end loop;
    insert into bridge.archive_job (source, target, older_than, rows_moved, started_at)
    values ('bridge.activity_log', 'bridge.activity_log_archive', cutoff, moved, started_at);
    return moved;
end $$;

revoke execute on function bridge.archive_old_activity_logs(interval) from public;
