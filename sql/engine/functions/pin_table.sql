-- pin_table: a view of a table, by which its rows are read whatever its name means by then.
--
-- Parameters: relation   a table that the caller has locked
-- Returns:    the view's name; its columns are entire (the row), part (its tableoid), version (ctid) and maker (xmin).
--             For the same transaction, whose to drop it is
-- Writes:     the view, in bridge_tracking
-- Errors:     55P03 lock_not_available where the name is another table's
--
-- Each query looks names up again, and a lock of a table keeps its name, but not that of its schema: the schema's owner
-- could give that to another, in which a view of his has the table's name, and his code would run as whoever reads.
create or replace function bridge.pin_table(relation regclass) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    pinned constant text := format('bridge_tracking.pinned_%s_%s', pg_backend_pid(), relation::oid);
    only_it constant text := case when exists (select from pg_class as c where c.oid = relation and c.relkind = 'p')
                                  then '' else 'only' end;
    whole_row constant text := (select 'r' || n from generate_series(1, 1601) as n    -- no column has that name
                                 where not exists (select from pg_attribute as a
                                                    where a.attrelid = relation and a.attname = 'r' || n)
                                 limit 1);
begin
    execute format('create view %s as select %2$s as entire, %2$s.tableoid as part, %2$s.ctid as version,'
                   ' %2$s.xmin as maker from %3$s %4$s as %2$s', pinned, whole_row, only_it, relation);
    if (select array_agg(distinct d.refobjid) filter (where d.refobjid <> pinned::regclass)
          from pg_rewrite as w
          join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
           and d.refclassid = 'pg_class'::regclass
         where w.ev_class = pinned::regclass) is distinct from array[relation::oid] then
        raise exception '% is another table by now', relation using errcode = 'lock_not_available';
    end if;
    return pinned;
end $$;

revoke execute on function bridge.pin_table(regclass) from public;
