-- create_leaf: a table that can be attached to a partitioned one, in its likeness.
--
-- Parameters: parent   a table of bridge.partition_policy
--             leaf     its qualified, quoted name
--             storage  its storage parameters; may be empty
-- Returns:    nothing
-- Writes:     the table, with the owner, the table space and the replica identity of its parent
-- Errors:     42P07 duplicate_table
create or replace function bridge.create_leaf(parent regclass, leaf text, storage text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    model pg_class;
    space text;
begin
    select c.* into model from pg_class as c where c.oid = parent;
    select t.spcname into space from pg_tablespace as t where t.oid = model.reltablespace;
    execute format('create table %s (like %s including all excluding identity)%s%s', leaf, parent,
                   case when storage <> '' then format(' with (%s)', storage) end,
                   case when space is not null then format(' tablespace %I', space) end);
    if model.relowner <> (select c.relowner from pg_class as c where c.oid = leaf::regclass) then
        execute format('alter table %s owner to %s', leaf, model.relowner::regrole);
    end if;
    if model.relreplident in ('f', 'n') then
        execute format('alter table %s replica identity %s', leaf,
                       case model.relreplident when 'f' then 'full' else 'nothing' end);
    end if;
end $$;

revoke execute on function bridge.create_leaf(regclass, text, text) from public;
