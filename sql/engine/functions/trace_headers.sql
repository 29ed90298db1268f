-- trace_headers: the headers that each event of this transaction carries.
--
-- Returns:    {"traceparent": ...} where the setting bridge.traceparent is set, otherwise an empty object
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.trace_headers() returns jsonb
    language sql stable
    return case when current_setting('bridge.traceparent', true) <> ''
                then jsonb_build_object('traceparent', current_setting('bridge.traceparent', true))
                else '{}' end;
