-- publish_event: write an event of the application's own to the outbox, in the caller's transaction.
--
-- Parameters: event_type  what happened; a route in bridge.toml names its topic
--             event_key   what it happened to; order holds per key
--             payload     a JSON object that fits the event type's schema
--             headers     a JSON object; `traceparent` is added from the setting bridge.traceparent if that is set
--             serialize   true: publishers of one key wait for each other until commit, so that seq order is commit
--                         order. false: for a caller that holds a row lock behind the key, or needs no order. Each
--                         key takes one advisory lock until commit: pass false for thousands of keys at once
-- Returns:    the event's id
-- Writes:     bridge.event_queue
-- Errors:     22023 invalid_parameter_value, naming the parameter; 42939 reserved_name for tracking's own event type
--
-- Advisory locks belong to nobody: a role that may only connect can take the same one, and make a key's publishers
-- wait. A row's lock would be ours alone, but costs seven times as much, a relation's three times, and keys would have
-- to share both. sql/README.md, "Rights", says how to keep the functions from untrusted roles.
create or replace function bridge.publish_event(
    event_type text,
    event_key  text,
    payload    jsonb,
    headers    jsonb default '{}',
    serialize  boolean default true
) returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    trace_parent text := current_setting('bridge.traceparent', true);
    event_id uuid;
begin
    if coalesce(publish_event.event_type, '') = '' then
        raise exception 'event_type is missing' using errcode = 'invalid_parameter_value';
    elsif length(publish_event.event_type) > 128 then
        raise exception 'event_type is longer than 128 characters: %...', left(publish_event.event_type, 40)
            using errcode = 'invalid_parameter_value';
    elsif coalesce(publish_event.event_key, '') = '' then
        raise exception 'event_key of % is missing', publish_event.event_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Pass what the event is about, for example the row''s id.';
    elsif jsonb_typeof(publish_event.payload) is distinct from 'object' then
        raise exception 'payload of % must be a JSON object, not %', publish_event.event_type,
            coalesce(jsonb_typeof(publish_event.payload), 'null') using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(publish_event.headers) is distinct from 'object' then
        raise exception 'headers of % must be a JSON object, not %', publish_event.event_type,
            coalesce(jsonb_typeof(publish_event.headers), 'null') using errcode = 'invalid_parameter_value';
    end if;
    if serialize then
        perform pg_advisory_xact_lock(hashtextextended(publish_event.event_key, 4711));
    end if;
    if trace_parent <> '' then
        headers := jsonb_build_object('traceparent', trace_parent) || publish_event.headers;
    end if;
    -- id, seq and shard are set by bridge.stamp_event().
    insert into bridge.event_queue (event_type, event_key, payload, headers)
    values (publish_event.event_type, publish_event.event_key, publish_event.payload, publish_event.headers)
    returning id into event_id;
    return event_id;
end $$;

revoke execute on function bridge.publish_event(text, text, jsonb, jsonb, boolean) from public;
