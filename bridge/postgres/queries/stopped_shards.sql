-- All shards: why each is stopped, if it is, and whether pending events need new numbers, whatever that is.
select shard, stopped, (select bridge.is_set_back()) from bridge.shard order by shard
