-- One shard: who has it until when, how many relays are alive, and which one was seen last. A lease that ends too far
-- ahead has run out, as in take_shard.sql, but without knowing the relays' lease_seconds.
select s.shard, s.owner, s.lease_until, extract(epoch from s.lease_until - clock_timestamp())::float8 as lease_seconds,
       s.stopped, s.batch_no, s.in_flight is not null as has_in_flight, s.updated_at,
       (select count(*) from bridge.relay as r where r.seen_until >= clock_timestamp()) as relays,
       l.relay_id as last_relay, l.seen_until as last_seen,
       (select count(*) from (select from bridge.unread as u
                               where u.shard = s.shard and u.seq < %(seq)s limit %(most)s) as earlier) as before
  from bridge.shard as s
  left join lateral (select relay_id, seen_until from bridge.relay order by seen_until desc limit 1) as l on true
 where s.shard = %(shard)s
