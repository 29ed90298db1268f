-- adopt_default: make a default partition that holds very many rows a partition like others, and give the table a new
-- one, instead of moving the rows.
--
-- Parameters: parent   a table of bridge.partition_policy
-- Returns:    what was done, for the log; null where nothing is to be done, or it cannot be
-- Writes:     the default partition and a new one
-- Errors:     55P03 lock_not_available after half a second; 55000 object_not_in_prerequisite_state in a transaction
--             with one snapshot; 23514 check_violation where a row of another time has come meanwhile: then the next
--             call sees it; 42501 insufficient_privilege as bridge.lock_for_attaching
--
-- Of bridge's own tables, where more rows than are moved at once lie between two partitions; the few that lie elsewhere
-- move to the new default partition. Of a user's table always, but only where all lie there: nothing is moved, so that
-- no trigger and no foreign key of his sees anything. While reads and writes of the table wait, the strays are read
-- once, to see that all are of that range. It is of whole steps; so the partition leaves with its youngest rows.
create or replace function bridge.adopt_default(parent regclass) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set row_security = off
    set lock_timeout = '500ms'
as $$
declare
    ours constant boolean := bridge.is_ours(parent);
    policy bridge.partition_policy;
    old_default regclass;
    space regnamespace;
    pinned text;
    default_name text;
    new_default text;
    strays bigint;
    gap record;
    leaf text;
begin
    perform bridge.require_read_committed();
    select * into policy from bridge.partition_policy as p where p.parent = adopt_default.parent;
    select b.leaf into old_default from bridge.partition_bounds(parent) as b where b.is_default;
    if policy is null or old_default is null
            or not ours and (select c.relkind from pg_class as c where c.oid = old_default) <> 'r' then
        return null;
    end if;
    if not ours then
        perform bridge.lock_for_attaching(parent);
    end if;
    pinned := case when ours then 'only ' || old_default else bridge.pin_table(old_default) end;
    execute format('select count(*) from (select from %s limit $1) as s', pinned)
        into strays using case when ours then policy.max_move_rows + 1 else 1 end;
    if not ours then
        execute format('drop view %s', pinned);
    end if;
    if strays = 0 or ours and strays <= policy.max_move_rows then
        return null;
    end if;
    select g.* into gap from bridge.stray_gap(parent) as g;
    if gap.range_from is null or gap.outside > (case when ours then policy.max_move_rows else 0 end) then
        return null;
    end if;

    leaf := bridge.partition_name(parent, policy.step, gap.range_from, gap.range_to);
    select c.relname, c.relnamespace into default_name, space from pg_class as c where c.oid = old_default;
    new_default := format('%s.%I', space, 'bridge_' || old_default::oid);
    perform bridge.create_leaf(parent, new_default, '');
    if parent in ('bridge.outbox'::regclass, 'bridge.history'::regclass) then
        perform bridge.guard_partition(new_default::regclass, policy.control);
        perform bridge.guard_partition(old_default, policy.control);
    end if;

    execute format('lock table only %s in access exclusive mode', parent);
    perform set_config('lock_timeout', '50', true);
    execute format('lock table %s in access exclusive mode', old_default);
    execute format('alter table %s detach partition %s', parent, old_default);
    if gap.outside > 0 then
        execute format('with moved as (delete from %1$s where not (%2$I >= $1 and %2$I < $2) returning *)'
                       ' insert into %3$s select * from moved', old_default, policy.control, new_default)
            using gap.range_from, gap.range_to;
    end if;
    execute format('alter table %s rename to %I', old_default, (parse_ident(leaf))[2]);
    execute format('alter table %s rename to %I', new_default, default_name);
    perform bridge.attach_leaf(parent, format('%s.%I', space, default_name)::regclass, 'default');
    perform bridge.attach_leaf(parent, old_default,
                               format('for values from (%L) to (%L)', gap.range_from, gap.range_to));
    return format('the default partition is %s for [%s, %s) now', leaf, gap.range_from, gap.range_to);
end $$;

revoke execute on function bridge.adopt_default(regclass) from public;
