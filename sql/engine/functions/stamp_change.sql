-- stamp_change: trigger function; bridge.stamp_event() for the change history.
--
-- Returns:    the row with seq, shard, status and its companions, and occurred_at as the server's clock has it; id and
--             occurred_at are left to bridge.record_change(), which writes them to bridge.activity_log, too
-- Writes:     draws from bridge.event_seq
-- Errors:     none of its own
create or replace function bridge.stamp_change() returns trigger
    language plpgsql
as $$
declare
    stamped_at timestamptz;
    is_elsewhere boolean;
begin
    if new.occurred_at > pg_catalog.clock_timestamp() or new.occurred_at < pg_catalog.transaction_timestamp()
            or new.status <> 'PENDING' or new.retry_count <> 0
            or new.processed_at is not null or new.error_message is not null then
        new.status := 'PENDING';
        new.retry_count := 0;
        new.processed_at := null;
        new.error_message := null;
        stamped_at := pg_catalog.clock_timestamp();
        if not new.occurred_at between least(pg_catalog.transaction_timestamp(), stamped_at - interval '1 second')
                                   and stamped_at then
            is_elsewhere := pg_catalog.date_trunc('day', new.occurred_at, 'UTC')
                         <> pg_catalog.date_trunc('day', stamped_at, 'UTC');
            new.occurred_at := stamped_at;
            if is_elsewhere then
                insert into bridge.entity_events select new.*;
                return null;
            end if;
        end if;
    end if;
    new.seq := case when pg_catalog.pg_current_xact_id() is not null then pg_catalog.nextval('bridge.event_seq') end;
    new.shard := bridge.shard_of(new.entity_type || ':' || new.entity_id);
    return new;
end $$;

revoke execute on function bridge.stamp_change() from public;
