-- record_truncate: record that a tracked table, or table partitions of it, are about to be emptied by TRUNCATE.
--
-- Parameters: settings      as of bridge.record_row()
--             of_relation   the table or table partition whose trigger this is
-- Returns:    nothing
-- Writes:     bridge.history, bridge.activity_log: for each table partition that is emptied, or for the table, a DELETE
--             event for each row where there are not more of them than bridge.tracked_table.truncate_rows
--             (bridge.record_removed), and a TRUNCATE event with entity_id '*' in any case
-- Errors:     none of its own
--
-- TRUNCATE fires the triggers of all table partitions; for those that were attached later, and have none of their own
-- yet, that of the nearest table above speaks. One that was detached since keeps its trigger, and is no part of the
-- table.
create or replace function bridge.record_truncate(settings jsonb, of_relation regclass) returns void
    language plpgsql
as $$
declare
    tracked bridge.tracked_table := jsonb_populate_record(null::bridge.tracked_table, settings);
    xact constant xid8 := pg_current_xact_id();
    context constant record := bridge.change_context();
    emptied regclass;
    removed bigint;
    summary text;
    event_id uuid;
    event_at timestamptz;
begin
    if tracked.home <> bridge.tracking_home() then    -- after a dump and restore the table has another number
        tracked.relation := (select t.relation from bridge.tracked_table as t where t.id = tracked.id);
    end if;
    if not bridge.is_part_of(of_relation, tracked.relation) then
        return;
    end if;
    for emptied in
        select m.relation
          from bridge.member_tables(of_relation) as m (relation)
         where exists (select from pg_class as c where c.oid = m.relation and c.relkind <> 'p')
           and not exists (
            select from pg_partition_ancestors(m.relation) as a (relation)    -- and itself
              join pg_trigger as g on g.tgrelid = a.relation and g.tgtype & 32 <> 0    -- TRUNCATE
                                  and g.tgfoid = to_regprocedure(format('bridge_tracking.record_%s()', tracked.id))
             where a.relation <> of_relation and bridge.is_part_of(a.relation, of_relation)) loop
        removed := bridge.record_removed(tracked.id, of_relation, emptied);
        summary := format('TRUNCATE of %s: %s', tracked.entity_type, coalesce(
            removed || ' rows, each with a DELETE event', 'rows without events of their own; read the table anew'));
        event_id := bridge.new_event_id();
        event_at := clock_timestamp();
        insert into bridge.history (id, seq, xid, shard, entity_type, entity_id, entity_event_type, action,
                                    performed_by, actor_status, change_summary, headers, occurred_at, relation,
                                    filenode)
        values (event_id, nextval('bridge.event_seq'), xact, bridge.shard_of(tracked.entity_type || ':*'),
                tracked.entity_type, '*', tracked.entity_event_type, 'TRUNCATE', context.performed_by, context.status,
                summary, context.headers, event_at, emptied, pg_relation_filenode(emptied));
        if tracked.activity then
            perform bridge.log_activity(event_id, event_at, tracked.entity_type, '*', 'TRUNCATE', null, null, context,
                                        to_jsonb(summary));
        end if;
    end loop;
end $$;

revoke execute on function bridge.record_truncate(jsonb, regclass) from public;
