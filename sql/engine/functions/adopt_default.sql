-- adopt_default: make a default partition that holds very many rows a partition like others, and give the table a new
-- one, instead of moving the rows.
--
-- Parameters: parent   a table of bridge.partition_policy
-- Returns:    what was done, for the log; null where there are not more strays than are moved at once, or they are not
--             all of one gap between the partitions
-- Writes:     the default partition and a new one
-- Errors:     55P03 lock_not_available after half a second; 23514 check_violation where a row of another time has come
--             meanwhile: then the next call sees it
--
-- While reads and writes of the table wait, the strays are read once, to see that all are of that range. That is of
-- whole steps; so the partition leaves with its youngest rows.
create or replace function bridge.adopt_default(parent regclass) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set lock_timeout = '500ms'
as $$
declare
    policy bridge.partition_policy;
    old_default regclass;
    default_name text;
    new_default text;
    strays bigint;
    first_moment timestamptz;
    last_moment timestamptz;
    leaf text;
begin
    select * into policy from bridge.partition_policy as p where p.parent = adopt_default.parent;
    select b.leaf into old_default from bridge.partition_bounds(parent) as b where b.is_default;
    if policy is null or old_default is null then
        return null;
    end if;
    execute format('select count(*) from (select from %s limit $1) as s', old_default)
        into strays using policy.max_move_rows + 1;
    if strays <= policy.max_move_rows then
        return null;
    end if;
    execute format('select min(%1$I), max(%1$I) from %2$s', policy.control, old_default) into first_moment, last_moment;
    if first_moment < '0001-01-01 UTC' or last_moment >= '9999-12-01 UTC' then
        return null;
    end if;
    first_moment := date_trunc(policy.step, first_moment);
    last_moment := date_trunc(policy.step, last_moment) + ('1 ' || policy.step)::interval;
    if exists (select from bridge.partition_bounds(parent) as b
                where b.range_from < last_moment and b.range_to > first_moment) then
        return null;
    end if;

    leaf := bridge.partition_name(parent, policy.step, first_moment, last_moment);
    default_name := (select c.relname from pg_class as c where c.oid = old_default);
    new_default := format('%s.%I', (select c.relnamespace::regnamespace from pg_class as c where c.oid = old_default),
                          'bridge_' || old_default::oid);
    execute format('create table %s (like %s including all excluding identity)', new_default, parent);
    execute format('alter table %s owner to %s', new_default,
                   (select c.relowner::regrole from pg_class as c where c.oid = parent));
    if parent in ('bridge.outbox'::regclass, 'bridge.history'::regclass) then
        perform bridge.guard_partition(new_default::regclass, policy.control);
        perform bridge.guard_partition(old_default, policy.control);
    end if;

    execute format('lock table only %s in access exclusive mode', parent);
    execute format('lock table %s in access exclusive mode', old_default);
    execute format('alter table %s detach partition %s', parent, old_default);
    execute format('alter table %s rename to %I', old_default, (parse_ident(leaf))[2]);
    execute format('alter table %s rename to %I', new_default, default_name);
    execute format('alter table %s attach partition %s.%I default', parent,
                   (select c.relnamespace::regnamespace from pg_class as c where c.oid = old_default), default_name);
    execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                   parent, old_default, first_moment, last_moment);
    return format('the default partition is %s for [%s, %s) now', leaf, first_moment, last_moment);
end $$;

revoke execute on function bridge.adopt_default(regclass) from public;
