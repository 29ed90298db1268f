-- role_grants: the statements that give a role what bridge.role_rights() lists.
--
-- Parameters: role      as for bridge.role_rights()
--             grantee   the role's name, as it is
-- Returns:    the statements, without a semicolon; one for each kind of object and set of privileges, and
--             for each table whose columns are granted
-- Writes:     nothing
-- Errors:     those of bridge.role_rights()
create or replace function bridge.role_grants(role text, grantee text) returns setof text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case w.kind
               when 'column' then format('grant %s (%s) on table %s to %I', w.privileges, w.columns, w.objects, grantee)
               else format('grant %s on %s %s to %I', w.privileges, w.kind, w.objects, grantee) end
      from (select g.kind, g.privileges, string_agg(distinct g.name, ', ' order by g.name) as objects,
                   string_agg(g.column_name, ', ' order by g.column_name) as columns
              from (select r.kind, split_part(r.object, ':', 2) as column_name,
                           case when r.kind = 'database' then quote_ident(r.object)
                                else split_part(r.object, ':', 1) end as name,
                           string_agg(r.privilege, ', ' order by r.privilege) as privileges
                      from bridge.role_rights(role_grants.role) as r
                     group by r.kind, r.object,    -- "insert, update (a)" would be INSERT on the whole table
                              case when r.kind = 'column' then r.privilege end) as g
             group by g.kind, g.privileges, case when g.kind = 'column' then g.name end) as w
     order by array_position('{database,schema,table,column,sequence,function}', w.kind), w.privileges, w.objects
$$;
