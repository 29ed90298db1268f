-- someones_code: what something is made of that may run code of a role that is neither a superuser nor the caller.
--
-- Parameters: class, object   as pg_depend has them: an index, a constraint
-- Returns:    the first such function, operator or type, and its owner, in words; null: none
-- Writes:     nothing
-- Errors:     none
--
-- An enum runs nothing, nor does an array of one: both have Postgres' own functions, and are in many a condition.
create or replace function bridge.someones_code(class oid, object oid) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select format('%s of %s in %s', pg_describe_object(d.refclassid, d.refobjid, 0), r.rolname,
                  pg_describe_object(class, object, 0))
      from pg_depend as d
      left join pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
      left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
      left join pg_type as y on d.refclassid = 'pg_type'::regclass and y.oid = d.refobjid
      left join pg_type as e on e.oid = y.typelem
      join pg_roles as r on r.oid in (p.proowner, o.oprowner, y.typowner)
     where d.classid = class and d.objid = object and d.objsubid = 0
       and d.refobjid >= 16384    -- neither built in nor, say, an extension's
       and not r.rolsuper and r.rolname <> current_user
       and 'e' not in (coalesce(y.typtype, ''), coalesce(e.typtype, ''))
     order by d.refclassid, d.refobjid
     limit 1
$$;

revoke execute on function bridge.someones_code(oid, oid) from public;
