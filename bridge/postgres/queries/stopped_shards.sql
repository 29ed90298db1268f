-- The shards that are stopped, why, and whether their pending events need new numbers.
select shard, stopped, renumber from bridge.shard where stopped is not null order by shard
