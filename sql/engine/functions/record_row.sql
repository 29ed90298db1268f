-- record_row: record a changed row that is none of the usual kind, or of a table that was altered since its trigger
-- function was generated.
--
-- Parameters: settings     the row of bridge.tracked_table that the trigger function was generated from: what the
--                          transaction's snapshot has may be older, or not there yet
--             op           INSERT, UPDATE or DELETE
--             of_relation  the table, or the table partition, in which the row lies
--             before, after   the row
--             old_version, old_maker, new_version, new_over   as of bridge.record_change(): a record that is passed on
--                          loses its system columns
-- Returns:    nothing; of a table that is not the tracked one, or a partition of it, nothing is recorded
-- Writes:     bridge.history, bridge.activity_log
-- Errors:     none of its own
create or replace function bridge.record_row(
    settings    jsonb,
    op          text,
    of_relation oid,
    before      record,
    after       record,
    old_version tid,
    old_maker   xid,
    new_version tid,
    new_over    xid
) returns void
    language plpgsql
as $$
declare
    tracked bridge.tracked_table := jsonb_populate_record(null::bridge.tracked_table, settings);
    change record;
begin
    if tracked.home <> bridge.tracking_home() then    -- after a dump and restore the table has another number
        tracked.relation := (select t.relation from bridge.tracked_table as t where t.id = tracked.id);
    end if;
    if not bridge.is_part_of(of_relation, tracked.relation) then
        return;    -- another's table: to convert its rows would run casts of its owner's. See bridge.generate_capture()
    end if;
    change := bridge.read_change(tracked, op, before, after);
    perform bridge.record_change(tracked, op, of_relation, change.old_key, change.new_key, change.previous_state,
                                 change.new_state, change.changed_fields, old_version, old_maker, new_version,
                                 new_over);
end $$;

revoke execute on function bridge.record_row(jsonb, text, oid, record, record, tid, xid, tid, xid) from public;
