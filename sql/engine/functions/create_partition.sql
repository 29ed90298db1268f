-- create_partition: add one table partition, and move into it the rows of its range that lie in the default partition.
--
-- Parameters: parent                  a table of bridge.partition_policy
--             range_from, range_to    a range as bridge.partition_gaps has them: all of one step, or all that lies
--                                     between others in it, from the year 1 to 9999
-- Returns:    what was done, for the log. If more stray rows lie in the range than may be moved at once, the partition
--             covers only its last part, with that many of them; the rest is left for the next call
-- Writes:     the new leaf, the default partition
-- Errors:     22023 invalid_parameter_value for any other range: whoever may call this can make no more of a table's
--             partitions than its policy may come to ask for;
--             55P03 lock_not_available after half a second: who waits for us must not wait long; 55000
--             object_not_in_prerequisite_state in a transaction with one snapshot;
--             42501 insufficient_privilege as bridge.lock_for_attaching;
--             23514 check_violation where rows of a user's table lie in its default partition: those are not moved,
--             because his triggers and foreign keys would see them deleted (bridge.adopt_default)
--
-- Where nobody writes yet and nothing is to be moved, ATTACH locks the parent in SHARE UPDATE EXCLUSIVE mode, beside
-- which reads and writes go on. Else the parent is locked for itself: a writer that waited for the default partition
-- instead would be refused after that, because its row has found a partition of its own meanwhile. What takes long is
-- done before: the strays are counted, and the leaf is made. No second lock is waited for while that is held.
create or replace function bridge.create_partition(parent regclass, range_from timestamptz, range_to timestamptz)
    returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '500ms'
as $$
declare
    policy bridge.partition_policy;
    default_leaf regclass;
    leaf text;
    columns text;
    newest_stray timestamptz;
    cut timestamptz;
    moved bigint := 0;
begin
    perform bridge.require_read_committed();
    select * into policy from bridge.partition_policy as p where p.parent = create_partition.parent;
    if not found then
        raise exception '% has no partition policy', parent using errcode = 'invalid_parameter_value';
    end if;
    if not exists (select from bridge.step_gaps(parent, policy.step, array[range_from]) as g
                    where g.range_from = create_partition.range_from and g.range_to = create_partition.range_to) then
        raise exception '[%, %) is no gap between the partitions of %', range_from, range_to, parent
            using errcode = 'invalid_parameter_value',
                  hint = 'A gap is all that no other partition has of a step of its policy; bridge.partition_gaps()'
                         ' lists those that are wanted.';
    end if;
    select b.leaf into default_leaf from bridge.partition_bounds(parent) as b where b.is_default;
    if default_leaf is not null and bridge.is_ours(parent) then
        execute format('select max(%1$I) from %2$s where %1$I >= $1 and %1$I < $2', policy.control, default_leaf)
            into newest_stray using range_from, range_to;
    end if;
    if newest_stray is not null then
        execute format('select %1$I from %2$s where %1$I >= $1 and %1$I < $2 order by %1$I desc offset $3 limit 1',
                       policy.control, default_leaf)
            into cut using range_from, range_to, policy.max_move_rows;
        if cut < newest_stray then
            execute format('select min(%1$I) from %2$s where %1$I > $1 and %1$I < $2', policy.control, default_leaf)
                into cut using cut, range_to;
        end if;                     -- else more than that many at one moment: they cannot be told apart by time
        range_from := coalesce(cut, range_from);
    end if;

    perform bridge.lock_for_attaching(parent);
    leaf := bridge.partition_name(parent, policy.step, range_from, range_to);
    perform bridge.create_leaf(parent, leaf, policy.storage);
    if parent in ('bridge.outbox'::regclass, 'bridge.history'::regclass)
            and range_from < greatest((select up_to from bridge.finished), now() - interval '1 day') then
        perform bridge.guard_partition(leaf::regclass, policy.control);
    end if;

    execute format('lock table only %s in %s mode', parent,
                   case when default_leaf is null
                          or bridge.is_ours(parent) and newest_stray is null and range_from > now() + interval '1 hour'
                        then 'share update exclusive' else 'access exclusive' end);
    perform set_config('lock_timeout', '50', true);
    if default_leaf is not null then
        execute format('lock table %s in access exclusive mode', default_leaf);
    end if;
    if default_leaf is not null and bridge.is_ours(parent) then
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
          from pg_attribute
         where attrelid = parent and attnum > 0 and not attisdropped and attgenerated = '';
        execute format('with moved as (delete from %1$s where %2$I >= $1 and %2$I < $2 returning *)'
                       ' insert into %3$s (%4$s) select %4$s from moved', default_leaf, policy.control, leaf, columns)
            using range_from, range_to;
        get diagnostics moved = row_count;
    end if;
    perform bridge.attach_leaf(parent, leaf::regclass, format('for values from (%L) to (%L)', range_from, range_to));
    return format('%s for [%s, %s), %s rows moved from the default partition', leaf, range_from, range_to, moved);
end $$;

revoke execute on function bridge.create_partition(regclass, timestamptz, timestamptz) from public;
