-- column_text: SQL for one column of a row as text, of which a key is made: as its JSON has it.
--
-- Parameters: row      a variable that holds the row: new; ($1)
--             name, type, collation   the column's; null: not known
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
--
-- In the default collation, whatever the column's is: one that finds 'a' and 'A' alike gives both one hash, by which a
-- key's shard is known, and its events are found by an index (bridge.check_order); and no two keys are alike to us.
create or replace function bridge.column_text("row" text, name name, type oid, "collation" oid) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select case when type = any ('{int2,int4,int8,uuid,text,varchar}'::regtype[])
                    then format('%s.%I::text%s', "row", name,
                                case when "collation" not in (0, 'pg_catalog."default"'::regcollation)
                                     then ' collate pg_catalog."default"' end)
                else format('(to_jsonb(%s) #>> ''{}'')', bridge.column_expression("row", name, type)) end
$$;

revoke execute on function bridge.column_text(text, name, oid, oid) from public;
