-- The claim: fence, ledger and lease in one update. No row: the lease is lost, the database has gone back in time, or the
-- server has crashed or is another one since the takeover, which a pooler hides.
-- scan_from is moved only from the value we know, so that a retry that set it back meanwhile is not overwritten.
update bridge.shard
   set batch_no = %(batch_no)s,
       batch_id = %(batch_id)s,
       previous_id = %(previous_id)s,
       batch_event_queue = %(event_queue)s::bigint[],
       batch_entity_events = %(entity_events)s::bigint[],
       batch_dead = %(dead)s,
       batch_from = %(batch_from)s,
       batch_to = %(batch_to)s,
       scan_from = case scan_from when %(known_scan_from)s then %(scan_from)s else scan_from end,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
       event_queue_processed = event_queue_processed + %(event_queue_processed)s,
       event_queue_dead = event_queue_dead + %(event_queue_dead)s,
       entity_events_processed = entity_events_processed + %(entity_events_processed)s,
       entity_events_dead = entity_events_dead + %(entity_events_dead)s,
       stopped = null,  -- only bridge recover can come here with a stopped shard
       updated_at = clock_timestamp()
 where shard = %(shard)s
   and generation = %(generation)s
   and batch_id is not distinct from %(known_batch_id)s
   and exists (select from bridge.witness as w where w.shard = %(shard)s and w.nonce = %(nonce)s)
returning scan_from, pg_current_xact_id()::text
