-- create_partition: add one table partition, and move into it the rows of its range that lie in the default partition.
--
-- Parameters: parent                  a table of bridge.partition_policy
--             range_from, range_to    the range; it must overlap no other partition
-- Returns:    nothing. If more stray rows lie in the range than may be moved at once, the partition covers only the
--             part from range_from that holds that many; the rest is left for the next call
-- Writes:     the new leaf, the default partition, bridge.maintenance_log
-- Errors:     55P03 lock_not_available after a second: who waits for us must not wait long
--
-- CREATE LIKE and ATTACH lock the parent in SHARE UPDATE EXCLUSIVE mode, beside which reads and writes go on; CREATE
-- PARTITION OF would take ACCESS EXCLUSIVE. The default partition is locked from the count of its strays to the end of
-- the transaction, so that each row is at all times in one place.
create or replace function bridge.create_partition(parent regclass, range_from timestamptz, range_to timestamptz)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '1s'
as $$
declare
    policy bridge.partition_policy;
    default_leaf regclass;
    leaf text;
    columns text;
    first_stray timestamptz;
    cut timestamptz;
    moved bigint := 0;
begin
    select * into strict policy from bridge.partition_policy as p where p.parent = create_partition.parent;
    execute format('lock table only %s in share update exclusive mode', parent);
    select b.leaf into default_leaf from bridge.partition_bounds(parent) as b where b.is_default;
    if default_leaf is not null then
        execute format('lock table %s in access exclusive mode', default_leaf);
        execute format('select min(%1$I) from %2$s where %1$I >= $1 and %1$I < $2', policy.control, default_leaf)
            into first_stray using range_from, range_to;
    end if;
    if first_stray is not null then
        execute format('select %1$I from %2$s where %1$I >= $1 and %1$I < $2 order by %1$I offset $3 limit 1',
                       policy.control, default_leaf)
            into cut using range_from, range_to, policy.max_move_rows;
        if cut = first_stray then   -- more than that many at one moment: they cannot be told apart by time
            execute format('select min(%1$I) from %2$s where %1$I > $1 and %1$I < $2', policy.control, default_leaf)
                into cut using cut, range_to;
        end if;
        range_to := coalesce(cut, range_to);
    end if;

    leaf := bridge.partition_name(parent, policy.step, range_from, range_to);
    execute format('create table %s (like %s including all)%s', leaf, parent,
                   case when policy.storage <> '' then format(' with (%s)', policy.storage) end);
    if first_stray is not null then
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
          from pg_attribute
         where attrelid = parent and attnum > 0 and not attisdropped and attgenerated = '';
        execute format('with moved as (delete from %1$s where %2$I >= $1 and %2$I < $2 returning *)'
                       ' insert into %3$s (%4$s) select %4$s from moved', default_leaf, policy.control, leaf, columns)
            using range_from, range_to;
        get diagnostics moved = row_count;
    end if;
    if parent in ('bridge.outbox'::regclass, 'bridge.history'::regclass)
            and range_from < greatest((select up_to from bridge.finished), now() - interval '1 day') then
        perform bridge.guard_partition(leaf::regclass, policy.control);
    end if;
    execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                   parent, leaf, range_from, range_to);
    insert into bridge.maintenance_log (action, target, outcome, detail)
    values ('create_partition', leaf, 'ok',
            format('[%s, %s), %s rows moved from the default partition', range_from, range_to, moved));
end $$;

revoke execute on function bridge.create_partition(regclass, timestamptz, timestamptz) from public;
