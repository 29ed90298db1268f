-- record_removed: a DELETE event for each row that TRUNCATE is about to remove. See bridge.record_truncate().
--
-- Parameters: tracked_id   of bridge.tracked_table
--             truncated    the table, or table partition, that is truncated
--             emptied      that one, or a table partition of it: whose rows are meant
-- Returns:    how many there were. Null, and no event, where they are more than bridge.tracked_table.truncate_rows;
--             outside READ COMMITTED, whose snapshot may not show all of them; where planning the query would run
--             somebody's functions; and where they cannot be read
-- Writes:     bridge.history; a view in bridge_tracking, which is gone at the end
-- Errors:     none
--
-- The only function that reads rows of tracked tables, so bridge_reader's alone.
create or replace function bridge.record_removed(tracked_id integer, truncated regclass, emptied regclass)
    returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set xmloption = content
    set quote_all_identifiers = off
    set row_security = off      -- a policy is somebody's code: rather fail
    set constraint_exclusion = off
    set jit = off
as $$
declare
    tracked constant bridge.tracked_table := (select t from bridge.tracked_table as t where t.id = tracked_id);
    removed text;
    context record;
    row_count bigint;
begin
    if current_setting('transaction_isolation') not like 'read %'
       or not bridge.is_part_of(truncated, tracked.relation)
       or bridge.planned_code(truncated) is not null then
        return null;
    end if;
    removed := bridge.pin_table(truncated);
    execute format('select count(*) from (select from %s as v where v.part = $1 limit $2) as counted', removed)
       into row_count using emptied, tracked.truncate_rows + 1;
    if row_count > tracked.truncate_rows then
        execute format('drop view %s', removed);
        return null;
    end if;
    context := bridge.change_context();
    execute format($each$
        insert into bridge.history (seq, xid, shard, entity_type, entity_id, event_key, entity_type_id,
                                    entity_event_type, action, performed_by, actor_status, previous_state,
                                    change_summary, headers, relation, filenode)
        select nextval('bridge.event_seq'), pg_current_xact_id(), 
               bridge.shard_of(coalesce(event_key, $2 || ':' || key)), $2, key, event_key, type_id, $3,
               'DELETE', $4, $5, state, 'DELETE of ' || $2 || ' (TRUNCATE)', $6, $1, pg_relation_filenode($1)
          from (select %s as key, %s as event_key, %s as type_id, %s as state
                  from %s as v where v.part = $1 offset 0) as deleted
        $each$, bridge.key_expression(tracked, '(v.entire)'), bridge.event_key_expression(tracked, '(v.entire)'),
        coalesce((select format('(v.entire).%I', c.name) from bridge.tracked_columns(tracked) as c
                   where c.name = 'entity_type_id' and c.use in ('key', 'plain')
                     and bridge.base_type(c.type) = 'uuid'::regtype), 'null::uuid'),
        bridge.state_expression(tracked, '(v.entire)'), removed)
        using emptied::oid, tracked.entity_type, tracked.entity_event_type, context.performed_by, context.status,
              context.headers;
    execute format('drop view %s', removed);
    return row_count;
exception when others then
    return null;
end $$;

revoke execute on function bridge.record_removed(integer, regclass, regclass) from public;
