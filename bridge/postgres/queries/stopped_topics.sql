-- Topics that an event has stopped, the first such event of each, and how many later events wait, counted up to a bound.
select s.topic, s.event_id, s.shard, s.state, coalesce(s.reason, '') as reason, s.since, w.count as waiting
  from (select distinct on (topic) topic, seq, event_id, shard, state, reason, since
          from bridge.parked
         where stops
         order by topic, seq) as s
 cross join lateral (select count(*)
                       from (select from bridge.parked as p
                              where p.topic = s.topic and p.seq > s.seq and p.state in ('waiting', 'deferred', 'retried')
                              limit %(most)s) as later) as w
 order by s.topic
