-- Every shard, whether it can be taken or why it is stopped, and how many relays share them.
-- What lies too far ahead has run out, too: see take_shard.sql.
select shard, owner, stopped is null and (owner is null or lease_until not between now and latest) as is_free, stopped,
       (select count(*) from bridge.relay where seen_until between now and latest) as relays
  from bridge.shard
 cross join (select clock_timestamp() as now,
                    clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s) as latest) as clock
 order by shard
