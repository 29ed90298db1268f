-- Every shard, whether it can be taken, and how many relays share them.
select shard, owner, owner is null or lease_until < clock_timestamp() as is_free,
       (select count(*) from bridge.relay where seen_until >= clock_timestamp()) as relays
  from bridge.shard
 order by shard
