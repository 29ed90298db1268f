-- What this role, and each that relays use, lacks of what its kind needs, and what it may beyond that. A role is of all
-- kinds whose rights it has. Relays' are those who may write down that they are alive, or have such a session now.
with relay as (
    select a.grantee as role
      from pg_class as c, aclexplode(c.relacl) as a
     where c.oid = 'bridge.relay'::regclass and a.privilege_type = 'INSERT' and a.grantee not in (0, c.relowner)
    union
    select s.usesysid from pg_stat_activity as s
     where s.datname = current_database() and s.application_name = %(session)s and s.usesysid is not null
), asked as (
    select o.oid, o.rolname, o.rolsuper, o.oid in (select r.role from relay as r) as is_relay,
           pg_has_role(o.oid, n.nspowner, 'member') as is_owner, n.oid as home
      from pg_roles as o, pg_namespace as n
     where n.nspname = 'bridge' and (o.rolname = current_user or o.oid in (select r.role from relay as r))
), needed as (
    select k.kind as role, r.*
      from unnest('{relay,publisher,capture,maintenance,reader,operator}'::text[]) as k (kind), bridge.role_rights(k.kind) as r
), lacked as (
    select a.oid, n.role, format('%%s on %%s', n.privilege, n.object) as what
      from asked as a, needed as n
     where not case n.kind
               when 'database' then has_database_privilege(a.oid, n.object, n.privilege)
               when 'schema' then has_schema_privilege(a.oid, n.object, n.privilege)
               when 'sequence' then has_sequence_privilege(a.oid, n.object, n.privilege)
               when 'function' then coalesce(
                   (select bool_and(has_function_privilege(a.oid, p.oid, n.privilege)) from pg_proc as p
                     where p.pronamespace = a.home and p.proname = split_part(n.object, '.', 2)), false)
               when 'column' then has_column_privilege(a.oid, split_part(n.object, ':', 1), split_part(n.object, ':', 2),
                                                       n.privilege)
               else has_table_privilege(a.oid, n.object, n.privilege) end
), kind as (
    select a.oid, n.role
      from asked as a, (select distinct role from needed) as n
     where a.is_relay and n.role = 'relay'
        or not exists (select from lacked as l where l.oid = a.oid and l.role = n.role)
), granted as (
    select 'table' as kind, c.relnamespace as home, c.relname::text as name, '' as part, c.relowner as owner, c.relacl as acl
      from pg_class as c where c.relkind in ('r', 'p', 'v', 'm', 'S')
    union all
    select 'column', c.relnamespace, c.relname, ':' || t.attname, c.relowner, t.attacl
      from pg_attribute as t join pg_class as c on c.oid = t.attrelid where t.attacl is not null
    union all
    select 'function', p.pronamespace, p.proname, '', p.proowner, p.proacl from pg_proc as p
    union all
    select 'schema', n.oid, '', '', n.nspowner, n.nspacl from pg_namespace as n
), excess as (
    select a.oid, v.what
      from asked as a
      join pg_roles as o on o.oid = a.oid or pg_has_role(a.oid, o.oid, 'member') and not a.rolsuper
     cross join lateral (values
         (o.rolsuper, 'is a superuser'),
         (o.rolbypassrls and not exists (select from pg_class as c where c.relnamespace = a.home and c.relrowsecurity),
          'may pass over row security'),
         (o.rolreplication, 'may replicate'),
         (o.rolcreaterole, 'may create roles'),
         (o.rolname ~ '^pg_' and o.rolname !~ '^pg_(monitor|read_all_stats|read_all_settings|stat_scan_tables|database_owner)$',
          'is a member of ' || o.rolname),
         (o.rolname in ('bridge_capture', 'bridge_reader'), 'is a member of ' || o.rolname)) as w (holds, what)
     cross join lateral (select case when o.oid = a.oid or o.rolname ~ '^(pg|bridge)_' then w.what
                                     else format('may become %%s, which %%s', o.rolname, w.what) end as what) as v
     where w.holds and (not a.rolsuper or w.what = 'is a superuser')
    union
    select a.oid, 'owns the schema bridge' from asked as a where a.is_owner and not a.rolsuper
    union
    select a.oid, format('may %%s%%s %%s', lower(x.privilege_type), case when x.is_grantable then ' and grant on' end,
                         concat_ws('.', n.nspname, nullif(g.name, '')) || g.part)
      from asked as a
     cross join granted as g
      join pg_namespace as n on n.oid = g.home and n.nspname in ('bridge', 'bridge_tracking')
     cross join lateral aclexplode(g.acl) as x
     where not a.is_owner
       and x.grantee <> g.owner
       and x.grantee::regrole::text not in ('bridge_capture', 'bridge_reader')    -- their members are named
       and (x.grantee <> 0 or g.kind <> 'function')
       and (x.grantee = 0 or pg_has_role(a.oid, x.grantee, 'member'))
       and (x.is_grantable
            or not exists (select from kind as k
                             join needed as d on d.role = k.role
                            where k.oid = a.oid and d.privilege = lower(x.privilege_type)
                              and d.object in (concat_ws('.', n.nspname, nullif(g.name, '')),
                                               concat_ws('.', n.nspname, nullif(g.name, '')) || g.part)))
)
select a.rolname as role, a.is_relay,
       array(select k.role from kind as k where k.oid = a.oid order by 1) as kinds,
       array(select l.what from lacked as l where l.oid = a.oid and l.role = 'relay' order by 1) as missing,
       array(select e.what from excess as e where e.oid = a.oid order by 1) as excess,
       array(select c.oid::regclass::text from pg_class as c
              where c.relnamespace = a.home and c.relrowsecurity and not c.relispartition and not a.rolsuper
                and has_table_privilege(a.oid, c.oid, 'select')
                and not (select o.rolbypassrls from pg_roles as o where o.oid = a.oid)
                and (c.relforcerowsecurity or not pg_has_role(a.oid, c.relowner, 'usage'))
              order by 1) as hidden
  from asked as a
 order by a.rolname <> current_user, a.rolname
