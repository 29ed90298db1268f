-- relay_rights: what `bridge run` needs in the database.
--
-- Parameters: none
-- Returns:    one row for each right: its privilege, the kind of object (schema, table, column, function), and the
--             object; a column as table:column
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.relay_rights() returns table (privilege text, kind text, object text)
    language sql immutable
    set search_path = pg_catalog, pg_temp
as $$
    select 'usage', 'schema', 'bridge'
     union all
    select p.privilege, 'table', 'bridge.' || t.name
      from (values
            ('select', 'outbox history unread event_seq finished'),
            ('select', 'schema_migration partition_policy partition_status'),
            ('select', 'retired_partition matview_staleness retired_shard'),
            ('select update', 'shard policy keeper'),
            ('select insert update delete', 'parked relay'),
            ('select insert update', 'publisher witness schema_id'),
            ('insert', 'tick maintenance_log recovery'),
            ('select insert', 'cold_file')) as r (privileges, names)
     cross join lateral regexp_split_to_table(r.privileges, ' ') as p (privilege)
     cross join lateral regexp_split_to_table(r.names, ' ') as t (name)
     union all
    select 'update', 'column', 'bridge.retired_partition:' || c.name
      from regexp_split_to_table('state location rows checksum changed_at trouble', ' ') as c (name)
     union all
    select 'execute', 'function', 'bridge.' || f.name
      from regexp_split_to_table('refresh_tracking tracking_report tracked_names partition_gaps adopt_default'
               ' create_partition finish_partitions due_partitions retire_partition count_retired drop_retired'
               ' note_retired cold_columns read_retired sum_retired drop_verified matview_report refresh_view'
               ' archive_activity_slice clean_up',
               ' ') as f (name)
$$;
