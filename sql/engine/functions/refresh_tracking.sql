-- refresh_tracking: follow what has become of the tracked tables: other columns, other names, new table partitions, a
-- dump and restore. What cannot be followed is left for bridge.tracking_report() to tell.
--
-- Returns:    the number of tables for which something was done; call it again until it is 0
-- Writes:     bridge.tracked_table, generated functions, triggers that are missing; bridge.moved_version is emptied
-- Errors:     none of its own; a table that is too busy, or that the owner of this function may not change, is left
--
-- Relays call it twice a minute. Until then an altered table is recorded rightly, but slowly.
create or replace function bridge.refresh_tracking() returns integer
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    tracked bridge.tracked_table;
    here constant oid := 'bridge.tracked_table'::regclass;
    done integer := 0;
    is_new boolean;
begin
    delete from bridge.moved_version as m where m.xid < pg_snapshot_xmin(pg_current_snapshot());
    for tracked in select t.* from bridge.tracked_table as t order by t.id for update skip locked loop
        begin
            if not exists (select from pg_class as c where c.oid = tracked.relation) then
                execute format('drop function if exists bridge_tracking.record_%s()', tracked.id);
                delete from bridge.tracked_table as t where t.id = tracked.id;
                done := done + 1;
                continue;
            end if;
            is_new := tracked.bound_in <> here or tracked.fingerprint <> bridge.table_fingerprint(tracked.relation);
            if is_new then
                if tracked.bound_in <> here and exists (    -- a name that is not there: nobody knows which it is now
                    select from jsonb_each_text(tracked.columns) as c
                     where c.key::int2 = any (tracked.key || tracked.excluded || tracked.masked)
                       and not exists (select from pg_attribute as a
                                        where a.attrelid = tracked.relation and a.attname = c.value
                                          and a.attnum > 0 and not a.attisdropped)) then
                    continue;
                end if;
                update bridge.tracked_table as t
                   set key = n.key, excluded = n.excluded, masked = n.masked, bound_in = here, columns = n.columns,
                       -- another cluster's number means nothing here
                       since_xid = case when tracked.bound_in = here then t.since_xid else pg_current_xact_id() end
                  from (select coalesce(array_agg(c.number order by c.key_position) filter (where c.use = 'key'),
                                        tracked.key) as key,
                               coalesce(array_agg(c.number) filter (where c.use = 'excluded'), '{}') as excluded,
                               coalesce(array_agg(c.number) filter (where c.use = 'masked'), '{}') as masked,
                               coalesce(jsonb_object_agg(c.number, c.name), '{}') as columns
                          from bridge.tracked_columns(tracked) as c) as n
                 where t.id = tracked.id and cardinality(n.key) = cardinality(tracked.key);
                perform bridge.generate_capture(tracked.id);
            end if;
            update bridge.tracked_table as t
               set known_as = format('%s.%s', c.relnamespace::regnamespace, quote_ident(c.relname))
              from pg_class as c
             where t.id = tracked.id and c.oid = tracked.relation
               and t.known_as <> format('%s.%s', c.relnamespace::regnamespace, quote_ident(c.relname))
               and not exists (select from pg_class as o where o.oid = to_regclass(t.known_as) and o.oid <> c.oid);
            if exists (select from pg_trigger as g where g.tgrelid = tracked.relation
                          and g.tgfoid = to_regprocedure('bridge_tracking.record_' || tracked.id || '()')) then
                if bridge.attach_triggers(tracked.id, 1) then    -- one try: nobody waits for what others wait for
                    return done + 1;    -- and no lock is kept while another is waited for
                end if;
            end if;    -- else somebody has dropped them, and is told
            done := done + is_new::integer;
        exception when lock_not_available or insufficient_privilege or deadlock_detected then
            null;    -- bridge.tracking_report() says what is missing
        end;
    end loop;
    return done;
end $$;

revoke execute on function bridge.refresh_tracking() from public;
