-- stamp_change: trigger function; gives a change what its writer cannot choose. See sql/engine/triggers/stamps.sql.
--
-- Returns:    the row with seq, xid and shard, and occurred_at as the server's clock has it; id and occurred_at are
--             left to bridge.record_change(), which writes them to bridge.activity_log, too
-- Writes:     draws from bridge.event_seq
-- Errors:     none of its own
--
-- Where the given occurred_at belongs to another table partition than now's, the row is inserted anew. The
-- transaction's id is assigned before the number is drawn: the relay's reading rests on that.
create or replace function bridge.stamp_change() returns trigger
    language plpgsql
as $$
declare
    stamped_at timestamptz;
    is_elsewhere boolean;
begin
    if new.occurred_at > pg_catalog.clock_timestamp() or new.occurred_at < pg_catalog.transaction_timestamp() then
        stamped_at := pg_catalog.clock_timestamp();
        if not new.occurred_at between least(pg_catalog.transaction_timestamp(), stamped_at - interval '1 second')
                                   and stamped_at then
            is_elsewhere := pg_catalog.date_trunc('day', new.occurred_at, 'UTC')
                         <> pg_catalog.date_trunc('day', stamped_at, 'UTC');
            new.occurred_at := stamped_at;
            if is_elsewhere then
                insert into bridge.history select new.*;
                return null;
            end if;
        end if;
    end if;
    new.xid := pg_catalog.pg_current_xact_id();
    new.seq := pg_catalog.nextval('bridge.event_seq');
    new.shard := bridge.shard_of(new.entity_type || ':' || new.entity_id);
    return new;
end $$;

revoke execute on function bridge.stamp_change() from public;
