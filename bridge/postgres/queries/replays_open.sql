-- How many replayed events are still to be published, counted up to a bound.
select count(*) from (select from bridge.parked where state = 'replayed' limit %(most)s) as p
