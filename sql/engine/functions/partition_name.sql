-- partition_name: what a table partition of a range is called: outbox_y2025m01d31, activity_log_y2025m01.
--
-- Parameters: parent, step ('day' or 'month'), range_from, range_to
-- Returns:    the qualified, quoted name. A range that is not one whole step has its first moment in its name, too
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.partition_name(
    parent     regclass,
    step       text,
    range_from timestamptz,
    range_to   timestamptz
) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
    select format('%I.%I', n.nspname, left(c.relname, 30)
               || to_char(range_from, case step when 'month' then '"_y"YYYY"m"MM' else '"_y"YYYY"m"MM"d"DD' end)
               || case when date_trunc(step, range_from) = range_from
                        and range_from + ('1 ' || step)::interval = range_to then ''
                       else to_char(range_from, '"_"DD"t"HH24MISSUS') end)
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
     where c.oid = parent
$$;
