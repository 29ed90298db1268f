-- refuse_event: says what is wrong with an event that bridge.publish_event() was given.
--
-- Parameters: as there
-- Returns:    nothing
-- Writes:     nothing
-- Errors:     as there; none where nothing is wrong
create or replace function bridge.refuse_event(event_type text, event_key text, payload jsonb, headers jsonb)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(event_type, '') = '' then
        raise exception 'event_type is missing' using errcode = 'invalid_parameter_value';
    elsif length(event_type) > 128 then
        raise exception 'event_type is longer than 128 characters: %...', left(event_type, 40)
            using errcode = 'invalid_parameter_value';
    elsif event_type = 'entity.changed' then
        raise exception 'the event type % is reserved for what bridge.enable_tracking records', event_type
            using errcode = 'reserved_name', hint = 'Choose another name for this event.';
    elsif coalesce(event_key, '') = '' then
        raise exception 'event_key of % is missing', event_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Pass what the event is about, for example the row''s id.';
    elsif jsonb_typeof(payload) is distinct from 'object' then
        raise exception 'payload of % must be a JSON object, not %', event_type,
            coalesce(jsonb_typeof(payload), 'null') using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(headers) is distinct from 'object' then
        raise exception 'headers of % must be a JSON object, not %', event_type,
            coalesce(jsonb_typeof(headers), 'null') using errcode = 'invalid_parameter_value';
    elsif bridge.headers_trouble(headers) is not null then
        raise exception '% (of %)', bridge.headers_trouble(headers), event_type
            using errcode = 'invalid_parameter_value', hint = 'Choose other names, or put it into the payload.';
    end if;
end $$;

revoke execute on function bridge.refuse_event(text, text, jsonb, jsonb) from public;
