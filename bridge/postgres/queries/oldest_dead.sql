-- For health: dead events that nobody has decided about, how many of them later events wait for, and the oldest decision
-- that is due, counted up to a bound.
select count(*) as events, count(*) filter (where blocks) as blocking,
       extract(epoch from clock_timestamp() - min(since))::float8 as age_seconds
  from (select blocks, since from bridge.parked where state = 'dead' order by seq limit %(most)s) as dead
