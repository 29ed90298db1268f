-- What is parked and may still be published, by state, counted up to a bound; for how long the oldest is, and how many
-- dead ones later events wait for.
select state, count(*) as events, count(*) filter (where blocks and state = 'dead') as blocking,
       extract(epoch from clock_timestamp() - min(since))::float8 as oldest_age_seconds
  from ((select state, blocks, since from bridge.parked where state = 'dead' order by seq limit %(most)s)
        union all
        (select state, blocks, since from bridge.parked where state in ('waiting', 'retried') limit %(most)s)
        union all
        (select state, blocks, since from bridge.parked where state = 'deferred' limit %(most)s)
        union all
        (select state, blocks, since from bridge.parked where state = 'replayed' limit %(most)s)) as parked
 group by state
