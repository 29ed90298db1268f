-- trace_headers: the headers of what is recorded in this transaction.
--
-- Returns:    {"traceparent": ...} where the setting bridge.traceparent holds one. What is longer than any of the
--             standard's (W3C Trace Context: 55 characters in version 00), or no plain ASCII, is left out
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.trace_headers() returns jsonb
    language sql stable parallel safe
    return case when octet_length(current_setting('bridge.traceparent', true)) between 1 and 200
                 and current_setting('bridge.traceparent', true) ~ '^[!-~]+$'
                then jsonb_build_object('traceparent', current_setting('bridge.traceparent', true))
                else '{}'::jsonb end;
