-- planned_code: what merely planning a query of a table may run of a role that is neither a superuser nor the caller.
--
-- Parameters: relation   a table; of a partitioned one all table partitions count, too
-- Returns:    the first of it, in words; null: nothing
-- Writes:     nothing
-- Errors:     none
--
-- The planner evaluates what is constant in the predicates and expressions of indexes, in extended statistics,
-- partition keys and virtual columns: functions of the table's owner, with the rights of whoever reads. What an
-- operator class or a type runs only a superuser can have installed. Constraints are not looked at where
-- constraint_exclusion is off, and policies fail the query where row_security is off. Before Postgres 16 a rule makes a
-- view of an empty table: all that reading a view runs is its owner's.
create or replace function bridge.planned_code(relation regclass) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with part as (
        select m.relation from bridge.member_tables(relation) as m (relation)
    ), subject as (
        select 'pg_class'::regclass as classid, i.indexrelid as objid
          from part as r join pg_index as i on i.indrelid = r.relation
        union all
        select 'pg_class', r.relation from part as r
        union all
        select 'pg_statistic_ext', s.oid from part as r join pg_statistic_ext as s on s.stxrelid = r.relation
        union all
        select 'pg_attrdef', f.oid
          from part as r
          join pg_attribute as a on a.attrelid = r.relation and a.attgenerated = 'v'
          join pg_attrdef as f on f.adrelid = a.attrelid and f.adnum = a.attnum
    )
    select found.code
      from (select bridge.someones_code(s.classid, s.objid) as code from subject as s
            union all
            select format('the query of %s, which is no table any more', r.relation)
              from part as r
              join pg_class as c on c.oid = r.relation
             where c.relkind not in ('r', 'p', 'f')) as found
     where found.code is not null
     limit 1
$$;

revoke execute on function bridge.planned_code(regclass) from public;
