-- archive_old_activity_logs: the engine's bridge.archive_old_activity_logs, under the name by which the application
-- knows it.
--
-- Parameters: older_than   rows from before the UTC day this long ago are moved to bridge.activity_log_archive
-- Returns:    how many rows were moved
-- Writes, errors: as there
create or replace function crm.archive_old_activity_logs(older_than interval default '3 months') returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select bridge.archive_old_activity_logs(older_than)
$$;

revoke execute on function crm.archive_old_activity_logs(interval) from public;
