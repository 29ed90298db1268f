-- declare_dropped: say that a table partition of the outbox or the history was dropped, or detached, by hand, so that
-- bridge verify takes what it finds of that time in Kafka for departed, and not for invented.
--
-- Parameters: parent                  bridge.outbox or bridge.history
--             range_from, range_to    the time of which the partition was
-- Returns:    nothing
-- Writes:     bridge.retired_partition
-- Errors:     22023 invalid_parameter_value for another table, a range that is none, or one of which there are rows
create or replace function bridge.declare_dropped(parent regclass, range_from timestamptz, range_to timestamptz)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    there timestamptz;
begin
    if parent not in ('bridge.outbox'::regclass, 'bridge.history'::regclass)
       or (range_from < range_to) is not true then
        raise exception 'give bridge.outbox or bridge.history, and a range of time, not %, from % to %',
            parent, range_from, range_to using errcode = 'invalid_parameter_value';
    end if;
    execute format('select min(t.%1$I) from %2$s as t where t.%1$I >= $1 and t.%1$I < $2',
                   case parent when 'bridge.outbox'::regclass then 'created_at' else 'occurred_at' end, parent)
       into there using range_from, range_to;
    if there is not null then
        raise exception 'there are rows of that time, the first of %', there
            using errcode = 'invalid_parameter_value', hint = 'Name the time before that.';
    end if;
    insert into bridge.retired_partition (parent, leaf, relation, range_from, range_to, expiry, state)
    values (bridge.qualified_name(parent), bridge.qualified_name(parent), 0, range_from, range_to, 'drop', 'dropped');
end $$;

revoke execute on function bridge.declare_dropped(regclass, timestamptz, timestamptz) from public;
