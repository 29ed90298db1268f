-- iso_time: a moment as events carry it: 2025-01-31T23:59:59.123456Z, whatever the session's settings are.
--
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
create or replace function crm.iso_time(moment timestamptz) returns text
    language sql stable parallel safe
    return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
