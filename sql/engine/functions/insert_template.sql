-- insert_template: the part of bridge.capture_template() that writes an event.
--
-- Returns:    text, with places like {{name}}
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.insert_template() returns text
    language sql immutable parallel safe
as $outer$
select $template${{before}}
            insert into bridge.history (id, seq, xid, shard, entity_type, entity_id, event_key, entity_type_id,
                                        entity_event_type, action, performed_by, actor_status, previous_state,
                                        new_state, changed_fields, change_summary, headers, occurred_at, relation,
                                        filenode, version, replaced)
            values ({{event_id}}, case when pg_current_xact_id() is not null then nextval('bridge.event_seq') end,
                    pg_current_xact_id(),
                    case bridge.shard_count() when 1 then 0    -- the usual one, known when the statement is planned
                    else (hashtextextended({{record_key}}, 0) & 9223372036854775807) % bridge.shard_count() end,
                    {{entity_type}}, {{key}}, {{event_key}}, {{type_id}}, {{entity_event_type}}, '{{action}}',
                    performed_by, coalesce(actor_status, 'missing'), {{previous_state}}, {{state}}, fields, {{summary}},
                    coalesce(headers, '{}'), {{occurred_at}}, tg_relid,
                    pg_relation_filenode(tg_relid), {{version}}, {{replaced}});
            {{log_activity}}$template$
$outer$;

revoke execute on function bridge.insert_template() from public;
