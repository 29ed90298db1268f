-- insert_event: trigger function of the view bridge.event_queue, for COPY; an INSERT is rewritten by the view's rule.
--
-- Returns:    the row
-- Writes:     bridge.outbox
-- Errors:     none of its own
--
-- With the rights of its owner, as the rule: who may insert into the view needs no right on the table.
create or replace function bridge.insert_event() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    new.event_key := coalesce(new.event_key, gen_random_uuid()::text);
    insert into bridge.outbox (shard, event_type, event_key, payload, headers, available_at)
    values (bridge.shard_of(new.event_key), new.event_type, new.event_key, new.payload, coalesce(new.headers, '{}'),
            new.available_at);
    return new;
end $$;

revoke execute on function bridge.insert_event() from public;
