-- The relay that was seen last.
select relay_id, seen_until from bridge.relay order by seen_until desc limit 1
