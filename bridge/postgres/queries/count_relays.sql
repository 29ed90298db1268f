-- Relays that are alive, whether there is a shard for each or not.
select count(*) from bridge.relay where seen_until >= clock_timestamp()
