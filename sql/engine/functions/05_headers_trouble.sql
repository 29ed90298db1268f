-- headers_trouble: why the relay would not publish an event with these headers.
--
-- Parameters: headers   a JSON object
-- Returns:    what is wrong, for a message; null where nothing is
-- Writes:     nothing
-- Errors:     none
--
-- As bridge/encoding/headers.py has it; the size is that of their JSON text, which is a little more.
create or replace function bridge.headers_trouble(headers jsonb) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select case when bool_or(lower(h.key) ~ '^(ce_|bridge_|content-type)')
                then format('the header %s is bridge''s own: names that begin with ce_, bridge_ or content-type are',
                            min(left(h.key, 60)) filter (where lower(h.key) ~ '^(ce_|bridge_|content-type)'))
                when count(*) > 64 then format('there are %s headers, and 64 at most', count(*))
                when octet_length(headers::text) > 16384
                then format('the headers have %s bytes, and 16384 at most', octet_length(headers::text)) end
      from jsonb_each(headers) as h
$$;

revoke execute on function bridge.headers_trouble(jsonb) from public;
