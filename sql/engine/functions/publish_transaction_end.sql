-- publish_transaction_end: an event that says how many events this transaction has written: to be called last in it.
--
-- Parameters: none
-- Returns:    the event's id. Its type is transaction.ended, its key the transaction's id, as in the header
--             bridge_transaction of the others; its payload has their number, by event type and by tracked table
-- Writes:     bridge.outbox
-- Errors:     none of its own
--
-- No index leads to a transaction's events, and a writer should not pay for one. Its events lie at the end of each
-- shard, behind none that was written before it began: so this goes back from the end to there, past what others have
-- written meanwhile; once for each table, because a UNION of both is sorted as a whole.
create or replace function bridge.publish_transaction_end() returns uuid
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set enable_sort = off       -- the index has the order
    set jit = off
as $$
declare
    own constant xid8 := pg_current_xact_id();
    began constant timestamptz := transaction_timestamp();
    slack constant interval := '10 seconds';    -- times and numbers are not drawn at once, and clocks step back
    since constant timestamptz := date_trunc('day', began - slack, 'UTC');    -- leaves out table partitions
    origin smallint;
    written record;
    types jsonb := '{}';
    tables jsonb := '{}';
    total bigint := 0;
begin
    for origin in select s.shard from bridge.shard as s loop
        for written in select o.xid, o.event_type, o.created_at as at
                         from bridge.outbox as o where o.shard = origin and o.created_at >= since
                        order by o.seq desc loop
            exit when written.at < began - slack;
            continue when written.xid <> own;
            total := total + 1;
            types := types || jsonb_build_object(
                written.event_type, coalesce((types ->> written.event_type)::bigint, 0) + 1);
        end loop;
        for written in select h.xid, h.entity_type, h.occurred_at as at
                         from bridge.history as h where h.shard = origin and h.occurred_at >= since
                        order by h.seq desc loop
            exit when written.at < began - slack;
            continue when written.xid <> own;
            total := total + 1;
            tables := tables || jsonb_build_object(
                written.entity_type, coalesce((tables ->> written.entity_type)::bigint, 0) + 1);
        end loop;
    end loop;
    return bridge.publish_event(
        'transaction.ended', own::text,
        jsonb_build_object('transaction', own::text, 'events', total, 'event_types', types, 'tables', tables),
        serialize => false);
end $$;

revoke execute on function bridge.publish_transaction_end() from public;
