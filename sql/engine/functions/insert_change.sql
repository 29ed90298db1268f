-- insert_change: trigger function of the view bridge.entity_events; an INSERT into it writes to the change history.
--
-- Returns:    the row as it was written, for RETURNING
-- Writes:     bridge.history; what a writer cannot choose (id, number, transaction, time) is left to the defaults
-- Errors:     none of its own
--
-- With the rights of its owner: who may insert into the view needs no right on the table.
create or replace function bridge.insert_change() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into bridge.history (shard, entity_type, entity_id, entity_type_id, entity_event_type, action, performed_by,
                                actor_status, previous_state, new_state, changed_fields, change_summary, headers)
    values (bridge.shard_of(new.entity_type || ':' || new.entity_id), new.entity_type, new.entity_id,
            new.entity_type_id, coalesce(new.entity_event_type, 'ENTITY_CHANGE'), new.action, new.performed_by,
            coalesce(new.actor_status, 'missing'), new.previous_state, new.new_state, new.changed_fields,
            new.change_summary, coalesce(new.headers, '{}'))
    returning id, entity_event_type, actor_status, headers, occurred_at, seq, shard
         into new.id, new.entity_event_type, new.actor_status, new.headers, new.occurred_at, new.seq, new.shard;
    new.event_key := new.entity_type || ':' || new.entity_id;
    new.status := 'PENDING';
    new.retry_count := 0;
    new.processed_at := null;
    new.error_message := null;
    return new;
end $$;

revoke execute on function bridge.insert_change() from public;
