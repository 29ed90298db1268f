-- lock_for_reading: see to it that a table can be read with the caller's rights, until the transaction ends.
--
-- Parameters: relation
--             and_parts   whether the table partitions of a partitioned table are locked, too
-- Returns:    boolean: whether it was locked; to a table of the caller's own, or a superuser's, nobody can add anything
-- Writes:     nothing
-- Errors:     42501 insufficient_privilege where planning a query of it would run functions of somebody's, or the
--             caller may not lock it; 55P03 lock_not_available where it is too busy, or its name is another table's by
--             now
--
-- SHARE UPDATE EXCLUSIVE stands beside reads and writes, and against whoever wants to add an index, statistics or a
-- table partition, whose functions would run from then on. In a transaction with one snapshot, what was added since is
-- not seen here: ask bridge.planned_code() in another session, once this has locked.
create or replace function bridge.lock_for_reading(relation regclass, and_parts boolean default true) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_anothers constant boolean := exists (select from bridge.member_tables(relation) as m (relation)
                                              join pg_class as c on c.oid = m.relation
                                              join pg_roles as r on r.oid = c.relowner
                                             where r.rolname <> current_user and not r.rolsuper);
    code text;
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
    code := bridge.planned_code(relation);
    if code is not null then
        raise exception 'reading % would run with the rights of %: %', relation, current_user, code
            using errcode = 'insufficient_privilege',
                  hint = format('If it can be trusted, with all that it calls, make it %I''s or a superuser''s (ALTER'
                                ' ... OWNER TO).', current_user);
    end if;
    return is_anothers;
end $$;

revoke execute on function bridge.lock_for_reading(regclass, boolean) from public;
