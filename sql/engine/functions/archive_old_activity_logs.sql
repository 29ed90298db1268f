-- archive_old_activity_logs: move old rows of the activity log into its archive.
--
-- Parameters: older_than   rows from before the UTC day this long ago are moved
-- Returns:    how many rows were moved
-- Writes:     bridge.activity_log, bridge.activity_log_archive and its partitions, bridge.archive_job
-- Errors:     22023 invalid_parameter_value where older_than is not positive
--
-- One statement deletes the rows and inserts just those that it deleted. Two statements would each see a different set,
-- and what is committed between them would be deleted without having been copied.
create or replace function bridge.archive_old_activity_logs(older_than interval default '3 months') returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    started_at constant timestamptz := clock_timestamp();
    cutoff constant timestamptz := date_trunc('day', started_at) - older_than;
    moved bigint;
begin
    if older_than is null or older_than <= interval '0' then
        raise exception 'older_than must be positive, not %', coalesce(older_than::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    -- One at a time: of two, the second would wait for the first one's rows, and the first for a lock of the second.
    perform pg_advisory_xact_lock(hashtextextended('bridge.archive_old_activity_logs', 0));
    perform bridge.ensure_partitions('bridge.activity_log_archive', array(
        select distinct date_trunc('day', occurred_at) from bridge.activity_log where occurred_at < cutoff));
    with old as (
        delete from bridge.activity_log where occurred_at < cutoff returning *
    )
    insert into bridge.activity_log_archive (id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
                                             ip_address, user_agent, device, geo, meta)
    select id, user_id, entity_id, entity_type, action, occurred_at, actor_status,
           ip_address, user_agent, device, geo, meta
      from old;
    get diagnostics moved = row_count;
    insert into bridge.archive_job (source, target, older_than, rows_moved, started_at)
    values ('bridge.activity_log', 'bridge.activity_log_archive', cutoff, moved, started_at);
    return moved;
end $$;

revoke execute on function bridge.archive_old_activity_logs(interval) from public;
