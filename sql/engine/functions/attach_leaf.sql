-- attach_leaf: make a table a partition of another, whose locks the caller has.
--
-- Parameters: parent, leaf
--             bounds   for values from ... to ..., or default
-- Returns:    nothing
-- Writes:     the catalog; the leaf's replica identity, where that of the parent is an index
-- Errors:     55P03 lock_not_available, for ATTACH locks what foreign keys refer to; 23514 check_violation where the
--             default partition has rows of this range
create or replace function bridge.attach_leaf(parent regclass, leaf regclass, bounds text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    identity regclass;
begin
    execute format('alter table %s attach partition %s %s', parent, leaf, bounds);
    select i.indexrelid into identity
      from pg_index as p
      join pg_inherits as h on h.inhparent = p.indexrelid
      join pg_index as i on i.indexrelid = h.inhrelid and i.indrelid = leaf
     where p.indrelid = parent and p.indisreplident;
    if found then
        execute format('alter table %s replica identity using index %I', leaf,
                       (select c.relname from pg_class as c where c.oid = identity));
    end if;
end $$;

revoke execute on function bridge.attach_leaf(regclass, regclass, text) from public;
