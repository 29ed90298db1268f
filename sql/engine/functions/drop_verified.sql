-- drop_verified: drop a detached table partition whose cold files were read back and compared with it.
--
-- Parameters: id   of bridge.retired_partition, in the state verified
-- Returns:    nothing
-- Writes:     the table is gone; bridge.retired_partition
-- Errors:     as bridge.find_retired; 55000 object_not_in_prerequisite_state where its files were not verified, or it
--             holds anything else than they do; 55P03 lock_not_available after two seconds; 2BP01
--             dependent_objects_still_exist where a view, say, needs it
--
-- It is counted and summed once more while nobody else can have it: what was written to it after all is not lost.
create or replace function bridge.drop_verified(id bigint) returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set lock_timeout = '2s'
as $$
declare
    retired bridge.retired_partition;
    held record;
begin
    perform bridge.require_read_committed('a table cannot be dropped');
    select p.* into retired from bridge.retired_partition as p where p.id = drop_verified.id for update;
    if retired.state is distinct from 'verified' then
        raise exception 'the table % is not dropped: its cold files were not verified', retired.leaf
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('lock table only %s in access exclusive mode', bridge.find_retired(id));
    perform bridge.find_retired(id);   -- by the same name nobody has put another there meanwhile
    select s.rows, s.checksum into held from bridge.sum_rows(retired.relation) as s;
    if retired.rows is distinct from (select sum(f.rows) from bridge.cold_file as f where f.partition = retired.id)
            and retired.rows > 0 then
        raise exception 'the table % is not dropped: its cold files do not hold % rows', retired.leaf, retired.rows
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if (held.rows, held.checksum) is distinct from (retired.rows, retired.checksum) then
        raise exception 'the table % is not dropped: it holds % rows, its cold files %, or other ones', retired.leaf,
                        held.rows, retired.rows
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('drop table %s', bridge.qualified_name(retired.relation));
    update bridge.retired_partition as p
       set state = 'dropped', changed_at = clock_timestamp(), trouble = null
     where p.id = drop_verified.id;
end $$;

revoke execute on function bridge.drop_verified(bigint) from public;
