-- How far numbers are drawn, and the highest that an event has, of any shard: one that is given again may be another
-- shard's. The first is read after the snapshot was taken, so it is behind the second only where the sequence was set
-- back. -infinity: as in read_pending.sql; in partitions that are finished no number is above the ledger's.
select coalesce(pg_sequence_last_value('bridge.event_seq'), 0),
       (select max(greatest(
                   s.scan_from, s.cursor, (s.in_flight -> 'position' ->> 'cursor')::bigint,
                   (select max(seq) from bridge.outbox where shard = s.shard and created_at >= '-infinity'),
                   (select max(seq) from bridge.history where shard = s.shard and occurred_at >= '-infinity')))
          from bridge.shard as s)
