-- How many rows of a table have been erased so far.
select coalesce(sum((e.places ->> %(name)s)::bigint), 0)::bigint from bridge.erasure as e
