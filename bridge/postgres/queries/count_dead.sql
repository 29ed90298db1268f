-- Dead events that nobody has decided about, and how many of them later events of their keys wait for.
select count(*), count(*) filter (where holds_key) from bridge.dead_event
