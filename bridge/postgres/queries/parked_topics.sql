-- How many events are parked, by topic and state, counted up to a bound in all.
select topic, count(*) filter (where state in ('waiting', 'deferred', 'retried')) as waiting,
       count(*) filter (where state = 'dead') as dead, count(*) filter (where state = 'replayed') as replayed
  from (select topic, state from bridge.parked
         where state in ('waiting', 'deferred', 'retried', 'dead', 'replayed')
         limit %(most)s) as parked
 group by topic
 order by topic
