-- is_someones: whether something is made of code, or of a type, that is neither a superuser's nor the caller's own.
--
-- Parameters: class, object   as pg_depend has them: an index, a constraint
-- Returns:    boolean
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.is_someones(class oid, object oid) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from pg_depend as d
                     left join pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
                     left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
                     left join pg_type as y on d.refclassid = 'pg_type'::regclass and y.oid = d.refobjid
                     join pg_roles as r on r.oid in (p.proowner, o.oprowner, y.typowner)
                    where d.classid = class and d.objid = object and d.objsubid = 0
                      and d.refobjid >= 16384    -- neither built in nor, say, an extension's
                      and not r.rolsuper and r.rolname <> current_user)
$$;

revoke execute on function bridge.is_someones(oid, oid) from public;
