-- stamp_event: trigger function; gives an event what its writer cannot choose. See sql/engine/triggers/stamps.sql.
--
-- Returns:    the row with id, seq, shard, status and its companions, and created_at as the server's clock has it
-- Writes:     draws from bridge.event_seq
-- Errors:     42939 reserved_name   the event type is tracking's own: a change nobody made could be told as one
--
-- Whatever is given for these columns is replaced, and no error, because applications and their libraries fill in all
-- that a table has. Where the given created_at belongs to another table partition than now's, the row is inserted anew,
-- so that the writer's statement counts no row, and its RETURNING returns none.
--
-- The transaction's id is assigned before the number is drawn: the relay's watermark rests on that. Functions are
-- written in full, because there is no SET clause: this runs for each event.
create or replace function bridge.stamp_event() returns trigger
    language plpgsql
as $$
declare
    stamped_at timestamptz;
    is_elsewhere boolean;
begin
    if new.event_type = 'entity.changed'
            or new.created_at > pg_catalog.clock_timestamp() or new.created_at < pg_catalog.transaction_timestamp()
            or new.status <> 'PENDING' or new.retry_count <> 0
            or new.processed_at is not null or new.error_message is not null then  -- never, for most writers
        if new.event_type = 'entity.changed' then
            raise exception 'the event type % is reserved for what bridge.enable_tracking records', new.event_type
                using errcode = 'reserved_name', hint = 'Choose another name for this event.';
        end if;
        new.status := 'PENDING';
        new.retry_count := 0;
        new.processed_at := null;
        new.error_message := null;
        stamped_at := pg_catalog.clock_timestamp();
        -- A second, because the clock may have been set back meanwhile; what was inserted anew must pass here.
        if not new.created_at between least(pg_catalog.transaction_timestamp(), stamped_at - interval '1 second')
                                  and stamped_at then
            is_elsewhere := pg_catalog.date_trunc('day', new.created_at, 'UTC')
                         <> pg_catalog.date_trunc('day', stamped_at, 'UTC');
            new.created_at := stamped_at;
            if is_elsewhere then
                insert into bridge.event_queue select new.*;
                return null;
            end if;
        end if;
    end if;
    new.id := bridge.new_event_id();
    new.seq := case when pg_catalog.pg_current_xact_id() is not null then pg_catalog.nextval('bridge.event_seq') end;
    new.shard := bridge.shard_of(new.event_key);
    return new;
end $$;

revoke execute on function bridge.stamp_event() from public;
