-- Lets a stopped shard go on at Kafka's last batch, with everything up to a number read: see park_unread.sql. The
-- transaction ids are this database's from now on. A relay that does not know yet that the shard was stopped under it looks
-- for what is parked, as after a decision, and finds that it has lost it.
update bridge.shard as s
   set batch_no = %(batch_no)s, batch_id = %(batch_id)s, previous_id = %(previous_id)s, in_flight = null,
       all_to = %(bound)s, all_at = now(), all_snapshot = pg_current_snapshot(),
       scan_from = %(bound)s, cursor = %(bound)s, snapshot = '1:1:', late_cursor = null, late_snapshot = null,
       system_identifier = here.system_identifier, database = here.database,
       event_queue_processed = event_queue_processed + %(event_queue)s,
       entity_events_processed = entity_events_processed + %(entity_events)s,
       event_queue_dead = event_queue_dead + %(event_queue_dead)s,
       entity_events_dead = entity_events_dead + %(entity_events_dead)s,
       stopped = null, decisions = decisions + 1, updated_at = clock_timestamp()
  from (select c.system_identifier, d.oid as database
          from pg_control_system() as c, pg_database as d where d.datname = current_database()) as here
 where s.shard = %(shard)s and s.generation = %(generation)s and s.owner = %(owner)s
returning s.shard
