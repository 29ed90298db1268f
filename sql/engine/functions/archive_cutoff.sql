-- archive_cutoff: the moment before which rows of the activity log are old.
--
-- Parameters: older_than   how long ago
-- Returns:    timestamptz: the beginning of a UTC day, for what is a day may not depend on the session's zone
-- Writes:     nothing
-- Errors:     22023 invalid_parameter_value where older_than is not positive
create or replace function bridge.archive_cutoff(older_than interval) returns timestamptz
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
begin
    if older_than is null or older_than <= interval '0' then
        raise exception 'older_than must be positive, not %', coalesce(older_than::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    return date_trunc('day', clock_timestamp()) - older_than;
end $$;

revoke execute on function bridge.archive_cutoff(interval) from public;
