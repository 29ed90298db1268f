-- track_truncate: trigger function, before TRUNCATE, while the rows can still be read. See bridge.enable_tracking.
--
-- Writes:     bridge.history, bridge.activity_log: a DELETE event for each row, where there are not more of them than
--             bridge.tracked_table.truncate_rows, and a TRUNCATE event with entity_id '*' in any case
-- Errors:     none of its own. Where the rows cannot be read, only the TRUNCATE event is written
--
-- TRUNCATE fires the triggers of all table partitions; that of the partitioned table speaks for those that were
-- attached later, and have none of their own yet.
create or replace function bridge.track_truncate() returns trigger
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
    set row_security = off      -- a policy is somebody's code: rather fail, and write the TRUNCATE event alone
    set jit = off
as $$
declare
    xact constant xid8 := pg_current_xact_id();
    context constant record := bridge.change_context();
    tracked bridge.tracked_table;
    emptied record;
    row_count bigint;
    summary text;
    event_id uuid;
    event_at timestamptz;
begin
    select t.* into tracked from bridge.tracked_table as t
     where t.relation in (tg_relid, pg_partition_root(tg_relid));
    for emptied in
        select tg_relid::regclass as relation where not exists (select from pg_partition_tree(tg_relid) as p
                                                                where p.relid = tg_relid and not p.isleaf)
        union all
        select p.relid from pg_partition_tree(tg_relid) as p
         where p.isleaf and p.relid <> tg_relid
           and not exists (select from pg_trigger as g
                            where g.tgrelid = p.relid and g.tgfoid = 'bridge.track_truncate()'::regprocedure) loop
        summary := 'TRUNCATE of ' || tracked.entity_type;
        begin
            execute format('select count(*) from (select from %s where tableoid = $2 limit $1) as counted',
                           tg_relid::regclass)
               into row_count using tracked.truncate_rows + 1, emptied.relation;
            if row_count > tracked.truncate_rows then
                raise exception 'too many';
            end if;
            execute format($each$
                insert into bridge.history (seq, xid, shard, entity_type, entity_id, entity_event_type, action,
                                            performed_by, actor_status, previous_state, change_summary, headers,
                                            relation)
                select nextval('bridge.event_seq'), $1, bridge.shard_of($2 || ':' || key), $2, key, $3, 'DELETE',
                       $4, $5, state, 'DELETE of ' || $2 || ' (TRUNCATE)', $6, $7
                  from (select %s as key, %s as state from %s as r where r.tableoid = $7 offset 0) as deleted
                $each$, bridge.key_expression(tracked, '(r.*)'), bridge.state_expression(tracked, '(r.*)'),
                tg_relid::regclass)
                using xact, tracked.entity_type, tracked.entity_event_type, context.performed_by, context.status,
                      context.headers, emptied.relation::oid;
            summary := format('%s: %s rows, each with a DELETE event', summary, row_count);
        exception when others then
            summary := summary || ': rows without events of their own; read the table anew';
        end;
        event_id := bridge.new_event_id();
        event_at := clock_timestamp();
        insert into bridge.history (id, seq, xid, shard, entity_type, entity_id, entity_event_type, action,
                                    performed_by, actor_status, change_summary, headers, occurred_at, relation)
        values (event_id, nextval('bridge.event_seq'), xact, bridge.shard_of(tracked.entity_type || ':*'),
                tracked.entity_type, '*', tracked.entity_event_type, 'TRUNCATE', context.performed_by, context.status,
                summary, context.headers, event_at, emptied.relation);
        if tracked.activity then
            perform bridge.log_activity(event_id, event_at, tracked.entity_type, '*', 'TRUNCATE', null, null, context,
                                        to_jsonb(summary));
        end if;
    end loop;
    return null;
end $$;

select bridge.give_to_capture('bridge.track_truncate()');
