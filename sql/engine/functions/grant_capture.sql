-- grant_capture: see to it that bridge_capture and bridge_reader own what they must own, and may what they must.
--
-- Returns:    nothing
-- Writes:     owners and rights, where they are missing: after a dump was restored where the roles were not, all are
-- Errors:     42704 undefined_object where a role is missing, 42501 insufficient_privilege where the caller is no
--             member of it, 55P03 lock_not_available
--
-- An owner must be able to create in the schema when a function is given to him; he is only for that moment.
create or replace function bridge.grant_capture() returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    statement text;
    is_alone boolean := false;
begin
    for statement in
        select format('grant usage on schema %s to %s', n.schema, r.role)
          from unnest('{bridge,bridge_tracking}'::regnamespace[]) as n (schema),
               unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
         where not has_schema_privilege(r.role, n.schema, 'usage')
        union all
        select format('grant create on schema bridge_tracking to %s', r.role)
          from unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
         where not has_schema_privilege(r.role, 'bridge_tracking', 'create')
        union all
        select format('grant %s on %s to %s', t.wanted, t.relation, r.role)
          from (values ('insert', 'bridge.history'::regclass), ('insert', 'bridge.activity_log'),
                       ('select', 'bridge.tracked_table')) as t (wanted, relation),
               unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
         where not has_table_privilege(r.role, t.relation, t.wanted)
           and (r.role, t.relation) <> ('bridge_reader'::regrole, 'bridge.activity_log'::regclass)
        union all
        select format('grant usage on sequence bridge.event_seq to %s', r.role)
          from unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
         where not has_sequence_privilege(r.role, 'bridge.event_seq', 'usage')
        union all
        select format('grant execute on function %s to %s', p.oid::regprocedure, w.role)
          from pg_proc as p
          join (select f.name, r.role
                  from unnest('{base_type,column_expression,column_text,computed_from,current_columns,
                                event_key_expression,event_key_names,is_part_of,is_plain_type,
                                json_value,key_expression,member_tables,state_expression,tracked_columns,
                                tracking_home}'::text[]
                             ) as f (name),
                       unnest('{bridge_capture,bridge_reader}'::regrole[]) as r (role)
                union all
                select f.name, 'bridge_capture'
                  from unnest('{careful_state,changed_expression,check_order,event_key_of,is_own_version,log_activity,
                                parts_compute,
                                read_change,record_change,record_removed,record_row,record_truncate,
                                table_fingerprint,version_moved}'::text[]) as f (name)
                union all
                select unnest('{pin_table,planned_code,someones_code}'::text[]), 'bridge_reader'
                ) as w on w.name = p.proname
         where p.pronamespace = 'bridge'::regnamespace and not has_function_privilege(w.role, p.oid, 'execute')
        union all
        select format(case when n.nspname = 'bridge_tracking' then '%2$s'
                           else 'grant create on schema %1$s to %3$s; %2$s; revoke create on schema %1$s from %3$s'
                      end, quote_ident(n.nspname),
                      format('alter function %s owner to %s', p.oid::regprocedure, w.role), w.role)
          from pg_proc as p
          join pg_namespace as n on n.oid = p.pronamespace
         cross join lateral (
            select case when n.nspname = 'bridge' and p.proname = 'record_removed' then 'bridge_reader'
                        when n.nspname = 'bridge_tracking'
                          or n.nspname = 'crm' and p.proname = 'track_entity_change' then 'bridge_capture'
                   end::regrole as role
         ) as w
         where p.proowner <> w.role loop
        if not is_alone then    -- two who grant on one schema at once are in each other's way
            perform bridge.execute_briefly('select pg_advisory_xact_lock(hashtext(''bridge.grant_capture''))');
            is_alone := true;
        end if;
        execute statement;
    end loop;
end $$;

revoke execute on function bridge.grant_capture() from public;
