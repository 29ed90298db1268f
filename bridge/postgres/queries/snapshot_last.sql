-- What follows FROM ... AS r for the last row of a tracked table.
select bridge.key_range(t, null, null, true) || ' limit 1' from bridge.tracked_table as t where t.id = %(tracked_id)s
