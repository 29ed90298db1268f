-- lock_for_reading: see to it that a table can be read with the caller's rights, until the transaction ends.
--
-- Parameters: relation
--             and_parts   whether the table partitions of a partitioned table are locked, too
-- Returns:    boolean: whether it was locked; to a table of the caller's own nobody else can add anything
-- Writes:     nothing
-- Errors:     42501 insufficient_privilege where planning a query of it would run functions of somebody's, or the
--             caller may not lock it; 55P03 lock_not_available where it is too busy, or its name is another table's by
--             now
--
-- SHARE UPDATE EXCLUSIVE stands beside reads and writes, and against whoever wants to add an index, statistics or a
-- table partition, whose functions would run from then on. In a transaction with one snapshot, what was added since is
-- not seen here: ask bridge.planning_runs_code() in another session, once this has locked.
drop function if exists bridge.lock_for_reading(regclass);

create or replace function bridge.lock_for_reading(relation regclass, and_parts boolean default true) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_anothers constant boolean := exists (select from bridge.member_tables(relation) as m (relation)
                                              join pg_class as c on c.oid = m.relation
                                             where c.relowner <> current_user::regrole);
begin
    if is_anothers then
        if not has_table_privilege(relation, 'update, delete, truncate') then
            raise exception '% needs UPDATE on % to lock it while it is read', current_user, relation
                using errcode = 'insufficient_privilege',
                      hint = format('GRANT SELECT, UPDATE ON %s TO %I, or membership of the role of its owner.',
                                    relation, current_user);
        end if;
        perform bridge.execute_briefly(format('lock table %s %s in share update exclusive mode',
                                              case when and_parts and exists (select from pg_class as c
                                                                               where c.oid = relation
                                                                                 and c.relkind = 'p')
                                                   then '' else 'only' end, relation), 5);
        if exists (select from bridge.member_tables(relation) as m (relation)
                    where (and_parts or m.relation = lock_for_reading.relation)
                      and not exists (select from pg_locks as l
                                       where l.pid = pg_backend_pid() and l.granted and l.locktype = 'relation'
                                         and l.mode = 'ShareUpdateExclusiveLock' and l.relation = m.relation
                                         and l.database = (select d.oid from pg_database as d
                                                            where d.datname = current_database()))) then
            raise exception '% is another table by now', relation using errcode = 'lock_not_available';
        end if;
    end if;
    if bridge.planning_runs_code(relation) then
        raise exception 'functions in the indexes or statistics of % would run with the rights of %', relation,
                        current_user
            using errcode = 'insufficient_privilege',
                  hint = 'The owner of the table can read it. The keeper forgets it by bridge partition --forget.';
    end if;
    return is_anothers;
end $$;

revoke execute on function bridge.lock_for_reading(regclass, boolean) from public;
