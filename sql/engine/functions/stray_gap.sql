-- stray_gap: between which partitions most of the rows of a default partition lie.
--
-- Parameters: parent   a table of bridge.partition_policy
-- Returns:    one row: the steps from the first to the last of those rows, as far as no other partition has them, how
--             many rows they are, and how many lie elsewhere, as those before the year 1 or after 9999 do; none where
--             there are no others
-- Writes:     nothing that stays
-- Errors:     as bridge.pin_table
create or replace function bridge.stray_gap(parent regclass)
    returns table (range_from timestamptz, range_to timestamptz, inside bigint, outside bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    policy bridge.partition_policy;
    default_leaf regclass;
    control name;    -- whatever it was called when the policy was made
    pinned text;
begin
    select p.* into strict policy from bridge.partition_policy as p where p.parent = stray_gap.parent;
    select b.leaf into default_leaf from bridge.partition_bounds(parent) as b where b.is_default;
    if default_leaf is null then
        return;
    end if;
    select a.attname into strict control
      from pg_partitioned_table as p join pg_attribute as a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
     where p.partrelid = parent;
    pinned := bridge.pin_table(default_leaf);
    return query execute format(
        'with gap as ('
        '    select g.gap'
        '      from unnest(tstzmultirange(tstzrange(''0001-01-01 UTC'', ''9999-12-01 UTC''))'
        '                  - coalesce((select range_agg(tstzrange(b.range_from, b.range_to))'
        '                                from bridge.partition_bounds($1) as b where not b.is_default), ''{}''))'
        '           as g (gap)'
        '), counted as ('
        '    select min(s.at) as first, max(s.at) as last, count(*) as rows, g.gap'
        '      from (select case when (v.entire).%1$I >= ''0001-01-01 UTC'' and (v.entire).%1$I < ''9999-12-01 UTC'''
        '                        then (v.entire).%1$I::timestamptz end as at from %2$s as v) as s'
        '      left join gap as g on s.at <@ g.gap group by g.gap'
        ') '
        'select greatest(date_trunc($2, c.first), lower(c.gap)),'
        '       least(date_trunc($2, c.last) + (''1 '' || $2)::interval, upper(c.gap)), c.rows,'
        '       (select sum(o.rows) from counted as o)::bigint - c.rows'
        '  from counted as c where c.gap is not null order by c.rows desc limit 1', control, pinned)
        using parent, policy.step;
    execute format('drop view %s', pinned);
end $$;

revoke execute on function bridge.stray_gap(regclass) from public;
