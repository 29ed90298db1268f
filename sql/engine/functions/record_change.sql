-- record_change: write the events of one changed row. What generated trigger functions write themselves is only the
-- usual: a row that was not replaced since, and did not get another key. All else comes here.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             op        INSERT, UPDATE or DELETE
--             of_relation   the table, or the table partition, in which the row lies
--             old_key, new_key, previous_state, new_state, fields   as bridge.read_change() gives them
--             old_version, old_maker   ctid and xmin of the old row
--             new_version, new_over    ctid of the new row, and its xmax, by which it may be seen to have been replaced
-- Returns:    nothing. A row of which nothing, or only excluded columns, changed gives no event. Where the key changed,
--             or that of its events, there are two: a DELETE with the old key and an INSERT with the new one
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function bridge.record_change(
    tracked        bridge.tracked_table,
    op             text,
    of_relation    oid,
    old_key        text,
    new_key        text,
    previous_state jsonb,
    new_state      jsonb,
    fields         text[],
    old_version    tid,
    old_maker      xid,
    new_version    tid,
    new_over       xid
) returns void
    language plpgsql
as $$
declare
    xact constant xid8 := pg_current_xact_id();
    replaced constant tid := case when bridge.is_own_version(old_maker, xact) then old_version end;
    old_event_key constant text := case when tracked.event_key_columns is not null
                                        then bridge.event_key_of(tracked, previous_state) end;
    new_event_key constant text := case when tracked.event_key_columns is not null
                                        then bridge.event_key_of(tracked, new_state) end;
    has_new_key constant boolean := op = 'UPDATE'
        and (old_key is distinct from new_key or old_event_key is distinct from new_event_key);
    context record;
    action text;
    entity_id text;
    event_key text;
    event_id uuid;
    occurred_at timestamptz;
    entity_type_id uuid;
begin
    if op = 'UPDATE' and not has_new_key and fields = '{}' then
        if replaced is not null then
            perform bridge.version_moved(tracked.entity_type, new_key, of_relation, old_version, new_version);
        end if;
        return;
    end if;
    context := bridge.change_context();
    foreach action in array case when has_new_key then '{DELETE,INSERT}' else array[op] end loop
        event_id := bridge.new_event_id();
        occurred_at := clock_timestamp();
        begin
            entity_type_id := case action when 'DELETE' then previous_state else new_state end ->> 'entity_type_id';
        exception when others then
            entity_type_id := null;    -- a column of this name, but of another kind
        end;
        entity_id := case action when 'DELETE' then old_key else new_key end;
        event_key := case action when 'DELETE' then old_event_key else new_event_key end;
        insert into bridge.history (id, seq, xid, shard, entity_type, entity_id, event_key, entity_type_id,
                                    entity_event_type, action, performed_by, actor_status, previous_state, new_state,
                                    changed_fields, change_summary, headers, occurred_at, relation, filenode, version,
                                    replaced)
        values (event_id, nextval('bridge.event_seq'), xact,
                bridge.shard_of(coalesce(event_key, tracked.entity_type || ':' || entity_id)),
                tracked.entity_type, entity_id, event_key, entity_type_id, tracked.entity_event_type, action,
                context.performed_by, context.status, case when action <> 'INSERT' then previous_state end,
                case when action <> 'DELETE' then new_state end, case when action = 'UPDATE' then fields end,
                bridge.change_summary(action, tracked.entity_type, case when action = 'UPDATE' then fields end,
                                      has_new_key), context.headers, occurred_at, of_relation,
                pg_relation_filenode(of_relation), case when action <> 'DELETE' then new_version end,
                case when action <> 'INSERT' then replaced end);
        if tracked.activity then
            perform bridge.log_activity(event_id, occurred_at, tracked.entity_type, entity_id, action, entity_type_id,
                                        case when action = 'UPDATE' then fields end, context,
                                        case action when 'DELETE' then previous_state else new_state end);
        end if;
        if action = 'INSERT' then
            perform set_config('bridge.entered', xact::text, true);    -- see bridge.check_order()
        end if;
        if action = 'DELETE' then
            if current_setting('bridge.entered', true) = xact::text then
                perform bridge.check_order(tracked.entity_type, entity_id);
            end if;
        elsif new_over <> '0' then    -- its version was locked or replaced since: it may be recorded late
            perform bridge.check_order(tracked.entity_type, entity_id);
        end if;
    end loop;
end $$;

revoke execute on function bridge.record_change(
    bridge.tracked_table, text, oid, text, text, jsonb, jsonb, text[], tid, xid, tid, xid) from public;
