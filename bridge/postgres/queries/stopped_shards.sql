-- All shards: why each is stopped, if it is, and whether its pending events need new numbers.
select shard, stopped, renumber from bridge.shard order by shard
