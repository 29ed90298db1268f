-- Takes note of where the shard stands, if the claim in this transaction held.
insert into bridge.tick (shard, batch_no, scan_from, cursor, snapshot, event_queue_processed, entity_events_processed)
select shard, batch_no - (in_flight is not null)::integer, scan_from, cursor, snapshot, event_queue_processed, entity_events_processed
  from bridge.shard
 where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s
    on conflict do nothing
