-- Every shard, whether it can be taken or why it is stopped, and how many relays share them.
select shard, owner, stopped is null and (owner is null or lease_until < clock_timestamp()) as is_free, stopped,
       (select count(*) from bridge.relay where seen_until >= clock_timestamp()) as relays
  from bridge.shard
 order by shard
