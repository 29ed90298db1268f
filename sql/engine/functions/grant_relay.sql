-- grant_relay: give a role what `bridge run` needs, and nothing else.
--
-- Parameters: role
-- Returns:    nothing
-- Writes:     rights
-- Errors:     42501 insufficient_privilege where the caller does not own the schema
--
-- It cannot change an event. It decides what counts as published, and what of cold files as verified: so whoever has it
-- can have events removed before their time. What the keeper does beyond that is done by functions of the owner's.
create or replace function bridge.grant_relay(role regrole) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    list record;
begin
    execute format('grant usage on schema bridge to %s', role);
    for list in
        values ('select', 'bridge.outbox, bridge.history, bridge.unread, bridge.event_seq, bridge.finished'),
               ('select', 'bridge.schema_migration, bridge.partition_policy, bridge.partition_status'),
               ('select', 'bridge.retired_partition, bridge.matview_staleness, bridge.retired_shard'),
               ('select, update', 'bridge.shard, bridge.policy, bridge.keeper'),
               ('select, insert, update, delete', 'bridge.parked, bridge.relay'),
               ('select, insert, update', 'bridge.publisher, bridge.witness, bridge.schema_id'),
               ('insert', 'bridge.tick, bridge.maintenance_log'),
               ('select, insert', 'bridge.cold_file'),
               ('update (state, location, rows, checksum, changed_at, trouble)', 'bridge.retired_partition')
    loop
        execute format('grant %s on %s to %s', list.column1, list.column2, role);
    end loop;
    execute format('grant execute on function bridge.refresh_tracking, bridge.tracking_report, bridge.tracked_names,'
                   ' bridge.partition_gaps, bridge.adopt_default, bridge.create_partition,'
                   ' bridge.finish_partitions, bridge.due_partitions,'
                   ' bridge.retire_partition, bridge.count_retired, bridge.drop_retired, bridge.note_retired,'
                   ' bridge.cold_columns, bridge.read_retired, bridge.sum_retired, bridge.drop_verified,'
                   ' bridge.matview_report, bridge.refresh_view, bridge.archive_activity_slice, bridge.clean_up to %s',
                   role);
end $$;

revoke execute on function bridge.grant_relay(regrole) from public;
