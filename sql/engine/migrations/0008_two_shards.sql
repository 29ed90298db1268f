-- Two shards instead of four, in a database that no event has been written to: each shard's batch is a Kafka
-- transaction of its own, and four are in each other's way (docs/decisions/0009-two-shards.md). Where events have been
-- written, the number stays as it is; bridge.set_shard_count() changes it.
lock table bridge.event_queue, bridge.entity_events, bridge.shard in share row exclusive mode;

do $$
begin
    if bridge.shard_count() = 4     -- else somebody has chosen it
            and not (select is_called from bridge.event_seq)
            and not exists (select from bridge.shard where generation > 0) then
        create or replace function bridge.shard_count() returns integer
            language sql immutable parallel safe
            return 2;
        delete from bridge.shard where shard >= 2;
    end if;
end $$;
