-- What waits in the relays that are alive: a server, a topic, a shard that meets a bug; the first seen of each.
select distinct on (kind, shard, topic, reason)
       w.shard, w.topic, w.kind, w.reason, w.since, w.count
  from bridge.relay r
 cross join lateral jsonb_to_recordset(r.waits)
                 as w (shard integer, topic text, kind text, reason text, since timestamptz, count bigint)
 where r.seen_until >= clock_timestamp()
 order by kind, shard, topic, reason, since
