-- How far numbers are drawn, and the highest that an event of this shard has. The first is read after the snapshot was
-- taken, so it is behind the second only where the sequence was set back. -infinity: as in read_pending.sql; in partitions
-- that are finished no number is above the ledger's.
select case when is_called then last_value else 0 end,
       greatest((select greatest(scan_from, cursor) from bridge.shard where shard = %(shard)s),
                (select max(seq) from bridge.outbox where shard = %(shard)s and created_at >= '-infinity'),
                (select max(seq) from bridge.history where shard = %(shard)s and occurred_at >= '-infinity'))
  from bridge.event_seq
