-- matview_dependents: what would be lost if a materialised view were created anew with another definition.
--
-- Parameters: name         of the view, qualified
--             definition   its query
-- Returns:    the objects that depend on it, with commas; null where there are none, it does not exist yet, or has this
--             definition already
-- Writes:     nothing that stays
-- Errors:     none: a definition that cannot be read now (what it needs is still to be created) is another one
create or replace function bridge.matview_dependents(name text, definition text) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    target constant regclass := to_regclass(name);
begin
    if target is null or bridge.has_definition(target, definition) then
        return null;
    end if;
    return (
        select string_agg(distinct pg_describe_object(o.classid, o.objid, 0), ', ')
          from pg_depend as d
          join pg_class as c on c.oid = target
          left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
         cross join lateral (values (case when r.oid is null then d.classid else 'pg_class'::regclass end,
                                     coalesce(r.ev_class, d.objid))) as o (classid, objid)
         where d.deptype = 'n' and o.objid <> target
           and (d.refclassid = 'pg_class'::regclass and d.refobjid = target
                or d.refclassid = 'pg_type'::regclass and d.refobjid in (c.reltype, (select t.typarray from pg_type as t
                                                                                      where t.oid = c.reltype))));
end $$;

revoke execute on function bridge.matview_dependents(text, text) from public;
