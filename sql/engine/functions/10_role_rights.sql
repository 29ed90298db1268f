-- role_rights: what a role of each kind needs in the database, and nothing else. `bridge grants`, bridge.grant_relay()
-- and `bridge doctor` are made from it.
--
-- Parameters: role   relay         `bridge run`
--                    publisher     an application that writes events of its own
--                    capture       turns the tracking of tables on and off, which it owns: `bridge track`, `untrack`
--                    maintenance   `bridge maintain`, where no relay keeps house
--                    reader        looks: status, top, trace, verify, tail, tracked, doctor, dead list
--                    operator      decides: dead retry and skip, replay, recover; and looks
-- Returns:    one row for each right: its privilege, the kind of object (database, schema, table, sequence, column,
--             function), and the object; a column as table:column
-- Writes:     nothing
-- Errors:     22023 invalid_parameter_value for an unknown role
create or replace function bridge.role_rights(role text)
    returns table (privilege text, kind text, object text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if role not in ('relay', 'publisher', 'capture', 'maintenance', 'reader', 'operator') then
        raise exception 'there is no role %', quote_literal(role) using errcode = 'invalid_parameter_value',
            hint = 'relay, publisher, capture, maintenance, reader or operator';
    end if;
    return query
    with given (roles, privileges, kind, home, names) as (values
        ('relay publisher capture maintenance reader operator', 'usage', 'schema', '', 'bridge'),
        ('capture reader operator', 'usage', 'schema', '', 'bridge_tracking'),

        ('publisher', 'execute', 'function', 'bridge.', 'set_actor publish_event publish_transaction_end'),
        ('publisher', 'insert', 'table', 'bridge.', 'event_queue'),
        ('publisher', 'usage', 'sequence', 'bridge.', 'event_seq'),

        ('relay reader operator', 'select', 'table', 'bridge.',
         'outbox history unread parked shard retired_shard relay'),
        ('relay reader operator', 'select', 'sequence', 'bridge.', 'event_seq'),
        ('relay maintenance reader operator', 'select', 'table', 'bridge.',
         'schema_migration policy partition_policy partition_status retired_partition matview_staleness'),
        ('relay operator', 'select', 'table', 'bridge.', 'finished'),

        ('relay', 'update', 'table', 'bridge.', 'shard'),
        ('relay', 'insert update delete', 'table', 'bridge.', 'parked relay'),
        ('relay', 'select insert update', 'table', 'bridge.', 'publisher witness schema_id'),
        ('relay', 'insert', 'table', 'bridge.', 'tick'),

        ('relay maintenance', 'update', 'column', 'bridge.policy:',
         'started_at finished_at succeeded_at outcome detail failures'),
        ('relay maintenance', 'select update', 'table', 'bridge.', 'keeper'),
        ('relay maintenance', 'select insert', 'table', 'bridge.', 'cold_file'),
        ('relay maintenance', 'insert', 'table', 'bridge.', 'maintenance_log'),
        ('relay maintenance', 'update', 'column', 'bridge.retired_partition:',
         'state location rows checksum changed_at trouble'),
        ('relay maintenance', 'execute', 'function', 'bridge.',
         'refresh_tracking tracking_report tracked_names partition_gaps adopt_default create_partition'
         ' finish_partitions due_partitions retire_partition count_retired drop_retired note_retired cold_columns'
         ' read_retired sum_retired drop_verified matview_report refresh_view archive_activity_slice clean_up'),

        ('relay maintenance reader operator', 'execute', 'function', 'bridge.', 'partition_report'),
        ('reader operator', 'select', 'table', 'bridge.',
         'event_queue entity_events tick dead_decision replay snapshot tracked_table cold_file keeper'),
        ('reader operator', 'execute', 'function', 'bridge.',
         'dead_events tracking_report tracked_names tracked_columns current_columns computed_from event_key_names'
         ' find_key index_columns is_plain_type member_tables tracking_home matview_report due_partitions backlog'),

        ('operator', 'execute', 'function', 'bridge.', 'decide_dead retry_dead skip_dead replay_slice'),
        ('operator', 'insert', 'column', 'bridge.replay:',    -- by whom is not for them to say, but a default
         'since until event_types event_keys topics until_seq why os_user host'),
        ('operator', 'update', 'column', 'bridge.replay:', 'last_seq events_parked events_passed state changed_at'),
        ('operator', 'insert', 'column', 'bridge.recovery:',
         'shard stopped events_published events_dead events_left renumbered why os_user host'),
        ('operator', 'update', 'table', 'bridge.', 'shard'),
        ('operator', 'insert update delete', 'table', 'bridge.', 'parked'),
        ('operator', 'select insert update', 'table', 'bridge.', 'publisher witness'),
        ('operator', 'insert', 'table', 'bridge.', 'tick'),

        ('capture', 'insert', 'column', 'bridge.tracking_request:',    -- as whom is not for them to say, but a default
         'tracked ends entity_type entity_event_type exclude mask activity truncate_rows key replicated event_key'),
        ('capture', 'select', 'table', 'bridge.', 'schema_migration tracked_table'),
        ('capture', 'execute', 'function', 'bridge.',    -- none of these has rights of its own, but those that look
         'enable_tracking disable_tracking attach_triggers enable_triggers grant_table execute_briefly index_columns'
         ' tracking_report tracked_names tracked_columns current_columns computed_from event_key_names is_plain_type'
         ' member_tables tracking_home')
    )
    select 'connect', 'database', current_database()::text
     union
    select p.privilege, g.kind, g.home || n.name
      from given as g
     cross join lateral regexp_split_to_table(g.privileges, ' ') as p (privilege)
     cross join lateral regexp_split_to_table(g.names, ' ') as n (name)
     where role_rights.role = any (regexp_split_to_array(g.roles, ' '));
end $$;
