-- How far numbers are drawn, and the highest that an event of this shard has. The first is read after the snapshot was
-- taken, so it is behind the second only where the sequence was set back.
select case when is_called then last_value else 0 end,
       greatest((select scan_from from bridge.shard where shard = %(shard)s),
                (select max(seq) from bridge.event_queue where shard = %(shard)s),
                (select max(seq) from bridge.entity_events where shard = %(shard)s))
  from bridge.event_seq
