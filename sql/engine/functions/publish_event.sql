-- publish_event: write an event of the application's own to the outbox, in the caller's transaction.
--
-- Parameters: event_type  what happened; a route in bridge.toml names its topic
--             event_key   what it happened to; order holds per key
--             payload     a JSON object that fits the event type's schema
--             headers     a JSON object of at most 64, whose names do not begin with ce_, bridge_ or content-type;
--                         `traceparent` is added from the setting bridge.traceparent if that is set
--             serialize   true: publishers of one key wait for each other until commit, so that seq order is commit
--                         order. false: for a caller that holds a row lock behind the key, or needs no order. Each
--                         key takes one advisory lock until commit: pass false for thousands of keys at once
-- Returns:    the event's id
-- Writes:     bridge.outbox
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
#variable_conflict use_variable
declare
    event_id constant uuid := bridge.new_event_id();
    locked boolean;
begin
    -- Where all is well, few expressions with few functions: each is prepared anew in each transaction. So a setting
    -- that the session has ever had is looked at as headers are, and the lock is taken in an expression: PERFORM would
    -- be a statement of its own.
    if (event_type not in ('', 'entity.changed') and octet_length(event_type) <= 128 and event_key <> ''
            and jsonb_typeof(payload) = 'object') is not true then
        perform bridge.refuse_event(event_type, event_key, payload, '{}');
    end if;
    if (headers = '{}' and current_setting('bridge.traceparent', true) is null) is not true then
        if jsonb_typeof(headers) = 'object' then
            headers := bridge.trace_headers() || headers;
        end if;
        if jsonb_typeof(headers) is distinct from 'object' or bridge.headers_trouble(headers) is not null then
            perform bridge.refuse_event(event_type, event_key, payload, headers);
        end if;
    end if;
    locked := case when serialize then pg_advisory_xact_lock(hashtextextended(event_key, 4711)) is not null end;
    insert into bridge.outbox (id, shard, event_type, event_key, payload, headers)
    values (event_id,
            case bridge.shard_count() when 1 then 0    -- the usual one, known when the statement is planned
            else (hashtextextended(publish_event.event_key, 0) & 9223372036854775807) % bridge.shard_count() end,
            publish_event.event_type, publish_event.event_key, publish_event.payload, publish_event.headers);
    return event_id;
end $$;

revoke execute on function bridge.publish_event(text, text, jsonb, jsonb, boolean) from public;
