-- follow_table: follow what has become of one tracked table. See bridge.refresh_tracking().
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    text: altered, where anything was done; locked, where that took a lock on the table; else null
-- Writes:     bridge.tracked_table, its generated function, triggers
-- Errors:     55P03 lock_not_available, 42501 insufficient_privilege
create or replace function bridge.follow_table(tracked bridge.tracked_table) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    here constant text := bridge.tracking_home();
    routine constant text := format('bridge_tracking.record_%s()', tracked.id);
    present text;
    is_altered boolean;
    statement text;
begin
    if not exists (select from pg_class as c where c.oid = tracked.relation) then
        perform bridge.disable_tracking(tracked.relation, 1);    -- as below: nobody waits for what others wait for
        return 'altered';
    end if;
    present := bridge.table_fingerprint(tracked.relation);    -- before all else: it may be altered meanwhile
    is_altered := tracked.home <> here or tracked.fingerprint <> present;
    if is_altered then
        if tracked.home <> here and bridge.unknown_columns(tracked) <> '{}' then
            return null;    -- only its owner can say which is which
        end if;
        update bridge.tracked_table as t
           set key = case when cardinality(n.key) = cardinality(t.key) then n.key else t.key end,
               excluded = n.excluded, masked = n.masked, home = here, fingerprint = present,
               event_key_columns = coalesce(n.event_key, t.event_key_columns),
               columns = n.columns || (    -- those of the key that are gone: should they return
                   select coalesce(jsonb_object_agg(k.key, k.value), '{}') from jsonb_each(t.columns) as k
                    where (cardinality(n.key) < cardinality(t.key) and k.key::int2 = any (t.key)
                           or n.event_key is null and k.key::int2 = any (t.event_key_columns))
                      and not n.columns ? k.key),
               dropped = (
                   select coalesce(jsonb_object_agg(d.name, d.use), '{}')
                     from (select k.value as name, 'masked' as use from jsonb_each_text(t.columns) as k
                            where k.key::int2 = any (t.masked)
                           union all
                           select k.value, 'excluded' from jsonb_each_text(t.columns) as k
                            where k.key::int2 = any (t.excluded)
                           union all
                           select * from jsonb_each_text(t.dropped)) as d
                    where d.name <> all (n.names)),
               -- another cluster's number means nothing here
               since_xid = case when t.home = here then t.since_xid else pg_current_xact_id() end
          from (select coalesce(array_agg(c.number order by c.key_position) filter (where c.use = 'key'), '{}') as key,
                       coalesce(array_agg(c.number) filter (where c.use = 'excluded'), '{}') as excluded,
                       coalesce(array_agg(c.number) filter (where c.use = 'masked'), '{}') as masked,
                       coalesce(jsonb_object_agg(c.number, c.name), '{}') as columns,
                       coalesce(array_agg(c.name::text), '{}') as names,
                       (select array_agg(w.number order by k.position)
                          from unnest(bridge.event_key_names(tracked)) with ordinality as k (name, position)
                          join bridge.tracked_columns(tracked) as w on w.name::text = k.name) as event_key
                  from bridge.tracked_columns(tracked) as c) as n
         where t.id = tracked.id;
        perform bridge.generate_capture(tracked.id);
    end if;
    for statement in    -- where it belongs to another now: see bridge.generate_capture()
        select format(case w.is_there when true then 'revoke execute on function %s from %s'
                                      else 'grant execute on function %s to %s' end, routine,
                      case w.role when 0 then 'public' else w.role::regrole::text end)
          from pg_class as c
          join pg_proc as p on p.oid = to_regprocedure(routine)
         cross join lateral (
            select a.grantee, true from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
             where a.grantee not in (c.relowner, p.proowner)
            union all
            select c.relowner, false where not has_function_privilege(c.relowner, p.oid, 'execute')
         ) as w (role, is_there)
         where c.oid = tracked.relation order by w.is_there loop
        execute statement;
    end loop;
    update bridge.tracked_table as t set known_as = bridge.qualified_name(tracked.relation)
     where t.id = tracked.id and t.known_as <> bridge.qualified_name(tracked.relation)
       and coalesce(to_regclass(t.known_as), tracked.relation) = tracked.relation;
    for statement in    -- table partitions that were detached keep theirs for TRUNCATE
        select format('drop trigger %1$I on %2$s; revoke select on %2$s from bridge_reader', g.tgname,
                      g.tgrelid::regclass)
          from pg_trigger as g
         where g.tgfoid = to_regprocedure(routine) and g.tgparentid = 0
           and g.tgrelid not in (select m from bridge.member_tables(tracked.relation) as m) loop
        perform bridge.execute_briefly(statement, 1);
        return 'locked';
    end loop;
    if exists (select from pg_trigger as g where g.tgrelid = tracked.relation and g.tgfoid = to_regprocedure(routine)
                  and g.tgtype & 1 <> 0) then    -- else somebody has dropped it, and is told
        if bridge.attach_triggers(tracked.id, 1) then    -- one try: nobody waits for what others wait for
            return 'locked';
        end if;
    end if;
    return case when is_altered then 'altered' end;
end $$;

revoke execute on function bridge.follow_table(bridge.tracked_table) from public;
