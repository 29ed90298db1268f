-- move_activity: move old rows of the activity log into its archive, a slice of them.
--
-- Parameters: cutoff   rows from before this moment
--             most     at most so many
-- Returns:    how many rows were moved; fewer than `most`: no more are left
-- Writes:     bridge.activity_log, bridge.activity_log_archive and its partitions
-- Errors:     22023 invalid_parameter_value where `most` is not positive
--
-- Partition by partition, the oldest first: a statement that names its bounds locks no other. One statement deletes the
-- rows and inserts just those that it deleted. Two statements would each see a different set, and what is committed
-- between them would be deleted without having been copied.
create or replace function bridge.move_activity(cutoff timestamptz, most integer) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
as $$
declare
    part record;
    picked tid[];
    days timestamptz[];
    moved bigint := 0;
    of_this bigint;
begin
    if most is null or most <= 0 then
        raise exception 'most must be positive, not %', coalesce(most::text, 'null')
            using errcode = 'invalid_parameter_value';
    end if;
    -- One at a time: of two, the second would wait for the first one's rows, and the first for a lock of the second.
    perform pg_advisory_xact_lock(hashtextextended('bridge.archive_old_activity_logs', 0));
    for part in
        select b.leaf, b.range_from, b.range_to, b.is_default from bridge.partition_bounds('bridge.activity_log') as b
         where b.is_default or b.range_from < cutoff order by b.is_default desc, b.range_from loop
        execute format('select array_agg(o.ctid), array_agg(distinct date_trunc(''day'', o.occurred_at))'
                       '  from (select ctid, occurred_at from only %s where occurred_at < %L limit %s) as o',
                       part.leaf, cutoff, most - moved)
           into picked, days;
        continue when picked is null;
        perform bridge.ensure_partitions('bridge.activity_log_archive', days);
        execute format(
            'with old as ('
            '    delete from bridge.activity_log'
            '     where ctid = any ($1) and tableoid = %s and occurred_at < %L %s'
            '    returning *'
            ')'
            'insert into bridge.activity_log_archive (id, user_id, entity_id, entity_type, action, occurred_at,'
            '                                         actor_status, ip_address, user_agent, device, geo, meta)'
            'select id, user_id, entity_id, entity_type, action, occurred_at,'
            '       actor_status, ip_address, user_agent, device, geo, meta'
            '  from old',
            part.leaf::oid, cutoff,
            case when not part.is_default
                 then format('and occurred_at >= %L and occurred_at < %L', part.range_from, part.range_to) end)
          using picked;
        get diagnostics of_this = row_count;
        moved := moved + of_this;
        exit when moved >= most;
    end loop;
    return moved;
end $$;

revoke execute on function bridge.move_activity(timestamptz, integer) from public;
