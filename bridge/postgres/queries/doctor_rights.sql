-- What this role lacks of what a relay needs, and what it may beyond that.
select array(select format('%s on %s', r.privilege, r.object)
               from bridge.relay_rights() as r
              where not case r.kind
                        when 'schema' then has_schema_privilege(r.object, r.privilege)
                        when 'function' then coalesce(
                            (select bool_and(has_function_privilege(p.oid, r.privilege))
                               from pg_proc as p
                              where p.pronamespace = 'bridge'::regnamespace
                                and p.proname = split_part(r.object, '.', 2)), false)
                        when 'column' then has_column_privilege(split_part(r.object, ':', 1),
                                                                split_part(r.object, ':', 2), r.privilege)
                        else has_table_privilege(r.object, r.privilege) end
              order by 1) as missing,
       array(select e.what
               from pg_roles as o
              cross join lateral (values
                        (o.rolsuper, 'is a superuser'),
                        (o.rolbypassrls and not o.rolsuper, 'may pass over row security'),
                        (o.rolreplication and not o.rolsuper, 'may replicate'),
                        (o.rolcreaterole and not o.rolsuper, 'may create roles'),
                        (pg_has_role(n.nspowner, 'usage') and not o.rolsuper, 'owns the schema bridge'),
                        (has_table_privilege('bridge.outbox', 'update') and not o.rolsuper
                         and not pg_has_role(n.nspowner, 'usage'), 'may change events')) as e (holds, what)
              where o.rolname = current_user and e.holds) as excess
  from pg_namespace as n
 where n.nspname = 'bridge'
