-- What read_parked.sql, in the same transaction, left parked: seconds until the next event of a shard that waits for its
-- time is due, null where there is none, by the clock of that statement, or what comes due between the two would be
-- passed; which topics are stopped, and how often people have decided, as in read_snapshot.sql.
select (select extract(epoch from min(due_at) - now())::float8
          from bridge.parked
         where shard = %(shard)s and state = 'deferred' and due_at > now()),
       (select json_object_agg(s.topic, s.seq)::text
          from (select topic, min(seq) as seq from bridge.parked where stops group by topic) as s),
       (select decisions from bridge.shard where shard = %(shard)s)
