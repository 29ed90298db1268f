-- Seconds until the next event of a shard that waits for its time is due; null where there is none. By the clock of
-- read_parked.sql, which is in the same transaction: what comes due between the two must not be passed.
select extract(epoch from min(due_at) - now())::float8
  from bridge.parked
 where shard = %(shard)s and state = 'deferred' and due_at > now()
