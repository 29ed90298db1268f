-- Whether a relay holds each shard now, and why one is stopped.
select shard, owner is not null and lease_until >= clock_timestamp() as is_held, stopped
  from bridge.shard
 order by shard
