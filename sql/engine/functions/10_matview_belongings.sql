-- matview_belongings: what somebody gave to a materialised view, as statements that give it again.
--
-- Parameters: target   the view
-- Returns:    statement: for its owner, rights and comments, in this order
--             column_name: the column that it is about, or null
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.matview_belongings(target regclass)
    returns table (column_name name, statement text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with rights as (
        select 1 as place, null::name as column_name, coalesce(c.relacl, acldefault('r', c.relowner)) as rights
          from pg_class as c
         where c.oid = target
        union all
        select 2, a.attname, a.attacl
          from pg_attribute as a
         where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attacl is not null
    ), statements as (
        select 0 as place, null::name as column_name,
               format('alter materialized view %s owner to %I', target, pg_get_userbyid(c.relowner)) as statement
          from pg_class as c
         where c.oid = target and pg_get_userbyid(c.relowner) <> current_user
        union all
        select r.place, r.column_name,
               format('grant %s%s on %s to %s%s', a.privilege_type, ' (' || quote_ident(r.column_name) || ')', target,
                      case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
                      case when a.is_grantable then ' with grant option' end)
          from rights as r, aclexplode(r.rights) as a
        union all
        select 3, null, format('comment on materialized view %s is %L', target, obj_description(target, 'pg_class'))
         where obj_description(target, 'pg_class') is not null
        union all
        select 4, a.attname,
               format('comment on column %s.%I is %L', target, a.attname, col_description(target, a.attnum))
          from pg_attribute as a
         where a.attrelid = target and a.attnum > 0 and col_description(target, a.attnum) is not null
    )
    select s.column_name, s.statement from statements as s order by s.place, s.statement
$$;

revoke execute on function bridge.matview_belongings(regclass) from public;
