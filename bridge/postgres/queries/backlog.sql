-- How many events are still to be published, counted up to a bound of each kind; those that are not due yet do not count.
select (select count(*) from (select from bridge.unread limit %(most)s) as u)
       + (select count(*) from (select from bridge.parked where state in ('waiting', 'retried', 'replayed') limit %(most)s) as p)
