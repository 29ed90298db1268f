-- locked_partition: a table partition of a partitioned table that this session has locked, and not the table itself.
--
-- Parameters: relation
-- Returns:    one, or none
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.locked_partition(relation regclass) returns setof regclass
    language sql stable rows 1
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with locked as materialized (
        select l.relation
          from pg_locks as l
         where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted
           and l.database = (select d.oid from pg_database as d where d.datname = current_database())
           and exists (select from pg_class as c where c.oid = locked_partition.relation and c.relkind = 'p')
    )
    select l.relation::regclass
      from locked as l
     where bridge.is_part_of(l.relation, locked_partition.relation)
       and not exists (select from locked as w where w.relation = locked_partition.relation)
     limit 1
$$;

revoke execute on function bridge.locked_partition(regclass) from public;
