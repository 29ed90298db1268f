-- refresh_matview: bring one materialised view of bridge.matview_policy up to date.
--
-- Parameters: name      as the policy has it
--             by_hand   whoever calls wants it now: it is not skipped, and readers may have to wait
-- Returns:    outcome: concurrent, blocking (refreshed), unchanged (there was nothing to do), busy (another call is at
--             it, or a lock was not to be had), failed; detail: why
-- Writes:     the view, bridge.matview_refresh
-- Errors:     22023 invalid_parameter_value where the policy does not have it; else none: failures are recorded, a
--             time-out as well
--
-- Readers go on meanwhile where the view allows it (CONCURRENTLY: it has been filled once, and a unique index names
-- only columns and has no predicate). Until it has been filled nobody can read it, so nobody waits.
create or replace function bridge.refresh_matview(name text, by_hand boolean default false,
                                                  out outcome text, out detail text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $$
declare
    started_at constant timestamptz := clock_timestamp();
    policy bridge.matview_policy;
    target regclass;
    is_filled boolean := false;
    is_concurrent boolean := false;
    up_to_seq bigint;
    own_xid xid8;
    seen pg_snapshot;
begin
    select * into policy from bridge.matview_policy as p where p.matview = name;
    if not found then
        raise exception 'bridge.matview_policy does not have the view %', coalesce(name, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended('bridge.refresh_views ' || name, 0)) then
        outcome := 'busy';
        detail := 'it is being refreshed, or created anew';
        return;
    end if;
    begin
        target := name::regclass;
        select c.relispopulated,
               c.relispopulated and exists (
                   select from pg_index as i
                    where i.indrelid = c.oid and i.indisunique and i.indisvalid
                      and i.indimmediate and i.indpred is null and i.indexprs is null)
          into is_filled, is_concurrent from pg_class as c where c.oid = target;
        if not by_hand and is_filled and bridge.confirm_unchanged(name) then
            outcome := 'unchanged';
            return;
        elsif not by_hand and is_filled and not is_concurrent and not policy.allow_blocking then
            raise exception '% cannot be refreshed concurrently: it has no unique index over plain columns', name
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'Create one, or set allow_blocking in bridge.matview_policy: then its readers wait';
        end if;
        -- In this order: see bridge.matview_report(). An id that is older than the number bounds nothing.
        if pg_current_xact_id_if_assigned() is null then
            up_to_seq := coalesce(pg_sequence_last_value('bridge.event_seq'), 0);
            own_xid := pg_current_xact_id();
        end if;
        seen := pg_current_snapshot();
        if is_concurrent then
            execute format('refresh materialized view concurrently %s', target);
        else
            perform bridge.execute_briefly(format('refresh materialized view %s', target));
        end if;
        insert into bridge.matview_refresh (matview, is_concurrent, started_at, up_to_seq, xid, snapshot, home)
        values (name, is_concurrent, started_at, up_to_seq, own_xid, seen, bridge.tracking_home());
        outcome := case when is_concurrent then 'concurrent' else 'blocking' end;
    exception when others or query_canceled then   -- one view's failure must not stop the others
        insert into bridge.matview_refresh (matview, is_concurrent, started_at, error_message)
        values (name, coalesce(is_concurrent, false), started_at, sqlerrm);
        outcome := case when sqlstate in ('55P03', '40P01') then 'busy' else 'failed' end;
        -- What is wrong with a value is told with it, and goes no further than the table.
        detail := case when left(sqlstate, 2) in ('22', '23', 'P0')
                       then format('SQLSTATE %s; see bridge.matview_refresh', sqlstate) else sqlerrm end;
    end;
end $$;

revoke execute on function bridge.refresh_matview(text, boolean) from public;
