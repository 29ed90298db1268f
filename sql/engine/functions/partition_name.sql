-- partition_name: what a table partition of a range is called: outbox_y2025m01d31, activity_log_y2025m01.
--
-- Parameters: parent, step ('day' or 'month'), range_from, range_to
-- Returns:    the qualified, quoted name. A range that is not one whole step has its first moment in its name, too; a
--             name that is taken gets a number
-- Writes:     nothing
-- Errors:     none
--
-- Postgres cuts names at 63 bytes, so the table's is cut before, and not the time.
create or replace function bridge.partition_name(
    parent     regclass,
    step       text,
    range_from timestamptz,
    range_to   timestamptz
) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    is_whole constant boolean := date_trunc(step, range_from) = range_from
                                 and range_from + ('1 ' || step)::interval = range_to;
    ending text := to_char(range_from, case step when 'month' then '"_y"YYYY"m"MM' else '"_y"YYYY"m"MM"d"DD' end)
                   || case when is_whole then '' else to_char(range_from, '"_"DD"t"HH24MISSUS') end;
    beginning text;
    space regnamespace;
    name text;
    number integer := 1;
begin
    select c.relname, c.relnamespace into beginning, space from pg_class as c where c.oid = parent;
    beginning := left(beginning, 30);
    while octet_length(beginning) + octet_length(ending) > 58 loop
        beginning := left(beginning, -1);
    end loop;
    name := format('%s.%I', space, beginning || ending);
    while to_regclass(name) is not null loop
        number := number + 1;
        name := format('%s.%I', space, beginning || ending || '_' || number);
    end loop;
    return name;
end $$;
