-- The shards that are stopped, and why.
select shard, stopped from bridge.shard where stopped is not null order by shard
