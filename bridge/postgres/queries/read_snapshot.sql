-- What the scan in this transaction can see, a bound on the numbers drawn so far, where the scan starts, how often people
-- have decided about dead events, up to when partitions are finished, and which topics are stopped: by the first event
-- that does so, of any shard.
select pg_current_snapshot()::text, coalesce(pg_sequence_last_value('bridge.event_seq'), 0),
       bridge.scan_start(%(cursor)s::bigint, %(xids)s::text[], %(floors)s::bigint[], %(next_xid)s::text,
                               %(next_floor)s::bigint),
       (select decisions from bridge.shard where shard = %(shard)s),
       coalesce((select up_to::text from bridge.finished), '-infinity'),
       (select json_object_agg(s.topic, s.seq)::text
          from (select topic, min(seq) as seq from bridge.parked where stops group by topic) as s)
