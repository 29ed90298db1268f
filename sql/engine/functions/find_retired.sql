-- find_retired: the table that a row of bridge.retired_partition is about, if it still is that table.
--
-- Parameters: id   of bridge.retired_partition
-- Returns:    it
-- Writes:     nothing
-- Errors:     42P01 undefined_table where it is gone; 55000 object_not_in_prerequisite_state where it is another table,
--             a partition again, not one that leaves by cold files, or one that cannot be read safely
--
-- What it returns is read and dropped with the rights of the schema's owner (read_retired, sum_retired, drop_verified):
-- neither a name alone nor a number alone is enough, for either may be another table's by now.
create or replace function bridge.find_retired(id bigint) returns regclass
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    retired bridge.retired_partition;
    class pg_class;
    why text;
begin
    select p.* into retired from bridge.retired_partition as p where p.id = find_retired.id;
    select c.* into class from pg_class as c where c.oid = retired.relation;
    if retired.state in ('dropped', 'restored') or retired.expiry <> 'files' then
        why := format('it is not one that is to leave by cold files: %s, %s', retired.expiry, retired.state);
    elsif retired.relation is null then
        why := 'which table it is was not written down, in bridge.retired_partition.relation';
    elsif class.oid is null then
        raise exception 'the table % is gone', retired.leaf using errcode = 'undefined_table';
    elsif bridge.qualified_name(class.oid) <> retired.leaf then
        why := format('the table that was detached is called %s now', bridge.qualified_name(class.oid));
    elsif class.relkind <> 'r' or class.relispartition then
        why := 'it is no table of its own';
    elsif exists (select from pg_inherits as i where class.oid in (i.inhrelid, i.inhparent)) then
        why := 'other tables inherit from it, or it from them';
    elsif bridge.planned_code(class.oid) is not null then
        why := format('reading it would run with the rights of %s: %s', current_user, bridge.planned_code(class.oid));
    else
        return class.oid;
    end if;
    raise exception 'the table % is left alone: %', coalesce(retired.leaf, format('of number %s', id)),
                    coalesce(why, 'it is not in bridge.retired_partition')
        using errcode = 'object_not_in_prerequisite_state';
end $$;

revoke execute on function bridge.find_retired(bigint) from public;
