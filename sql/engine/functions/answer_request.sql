-- answer_request: trigger function of bridge.tracking_request: bridge's part of bridge.enable_tracking() and
-- bridge.disable_tracking(), for who owns the table.
--
-- Writes:     bridge.tracked_table, the function in bridge_tracking
-- Errors:     42501 insufficient_privilege (who asks does not own the table, or has no lock on it), 55000
--             object_not_in_prerequisite_state (outside READ COMMITTED), 2BP01 dependent_objects_still_exist (triggers
--             that call the function are left); those of bridge.configure_tracking()
--
-- The owner is who owns the table at this moment: an older snapshot would show who did. While the caller has a lock on
-- it, it cannot be given to another; so nobody settles beforehand how another's table is tracked. A table that is gone
-- is nobody's, and may be forgotten.
create or replace function bridge.answer_request() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
declare
    tracked_id integer;
begin
    perform bridge.require_read_committed('tracking cannot be changed');
    if exists (select from pg_class as c
                where c.oid = new.tracked
                  and not (pg_has_role(new.asked_by, c.relowner, 'usage')
                           and exists (select from pg_locks as l
                                        where l.pid = pg_backend_pid() and l.granted and l.locktype = 'relation'
                                          and l.relation = c.oid
                                          and l.database = (select d.oid from pg_database as d
                                                             where d.datname = current_database())))) then
        raise exception 'must be owner of table %, and hold a lock on it', new.tracked
            using errcode = 'insufficient_privilege';
    end if;
    if new.ends then
        tracked_id := (select t.id from bridge.tracked_table as t where t.relation = new.tracked);
        execute format('drop function if exists bridge_tracking.record_%s()', tracked_id);
        delete from bridge.tracked_table as t where t.id = tracked_id;
    else
        perform bridge.configure_tracking(new.tracked, new.entity_type, new.entity_event_type, new.exclude, new.mask,
                                          new.activity, new.truncate_rows, new.key, new.replicated, new.event_key);
    end if;
    return null;
end $$;

revoke execute on function bridge.answer_request() from public;
