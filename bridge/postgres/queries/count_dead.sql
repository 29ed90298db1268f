-- Dead events that nobody has decided about, and how many of them later events of their keys wait for.
select count(*), count(*) filter (where blocks) from bridge.parked where state = 'dead'
