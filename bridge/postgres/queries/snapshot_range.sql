-- What is still to be read of a snapshot, as what follows FROM ... AS r, and its lock: two who go on with one take turns.
-- No row where it is over, or the table is not tracked as it was when it began.
select case when s.until_key is null then 'where false' else bridge.key_range(t, s.last_key, s.until_key) end as range
  from bridge.snapshot as s
  join bridge.tracked_table as t on t.id = s.tracked_id and t.entity_type = s.entity_type and t.key = s.key
 where s.id = %(id)s and s.state = 'unfinished'
   for update of s
