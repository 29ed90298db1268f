-- partition_report: how the partitioned tables stand. Read it through the view bridge.partition_status.
--
-- Returns:    a row for each table of bridge.partition_policy
-- Writes:     nothing
-- Errors:     none
--
-- How many rows lie in the default partition of another owner, or in his schema, is what statistics say: to read it
-- could run functions in its indexes, or of a view that has its name by then, whatever was looked at before, for nobody
-- waits here for a lock.
create or replace function bridge.partition_report()
    returns table (parent regclass, step text, leaves integer, covered_until timestamptz, runway interval,
                   default_rows bigint, timeless_rows bigint)
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    policy bridge.partition_policy;
    default_leaf regclass;
    control name;    -- whatever it was called when the policy was made
begin
    for policy in select * from bridge.partition_policy as p
                   where exists (select from pg_class as c where c.oid = p.parent) order by p.parent::text loop
        parent := policy.parent;
        step := policy.step;
        select count(*) filter (where not b.is_default), max(b.leaf::oid) filter (where b.is_default)
          into leaves, default_leaf
          from bridge.partition_bounds(policy.parent) as b;
        select upper(r) into covered_until
          from (select range_agg(tstzrange(b.range_from, b.range_to)) as ranges
                  from bridge.partition_bounds(policy.parent) as b
                 where not b.is_default) as covered, unnest(ranges) as r
         where r @> now();
        runway := greatest(covered_until - now(), interval '0');
        default_rows := 0;
        timeless_rows := 0;
        if not bridge.is_ours(policy.parent)
           and (exists (select from bridge.member_tables(default_leaf) as m (relation)
                          join pg_class as c on c.oid = m.relation
                          join pg_namespace as n on n.oid = c.relnamespace
                          join pg_database as d on d.datname = current_database()
                          join pg_roles as r on r.oid = case when n.nspowner = 'pg_database_owner'::regrole
                                                             then d.datdba else n.nspowner end
                         where c.relowner <> current_user::regrole
                            or r.rolname <> current_user and not r.rolsuper)
                or bridge.planned_code(default_leaf) is not null) then
            default_rows := (select sum(pg_stat_get_live_tuples(m.relation))
                               from bridge.member_tables(default_leaf) as m (relation));
        elsif default_leaf is not null then
            select a.attname into strict control
              from pg_partitioned_table as p
              join pg_attribute as a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
             where p.partrelid = policy.parent;
            execute format('select count(*) filter (where s.may_leave), count(*) filter (where not s.may_leave)'
                           '  from (select %1$I >= ''0001-01-01 UTC'' and %1$I < ''9999-12-01 UTC'' as may_leave'
                           '          from %2$s) as s', control, default_leaf)
                into default_rows, timeless_rows;
        end if;
        return next;
    end loop;
end $$;

revoke execute on function bridge.partition_report() from public;
