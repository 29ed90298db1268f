-- Nobody's keys are kept once they are of no use.
update bridge.snapshot as s
   set last_key = case when not %(is_last)s then coalesce(%(last_key)s::text[], s.last_key) end,
       until_key = case when not %(is_last)s then s.until_key end,
       rows_read = s.rows_read + %(read)s, rows_written = s.rows_written + %(written)s,
       state = case when %(is_last)s then 'finished' else s.state end, changed_at = clock_timestamp()
 where s.id = %(id)s
returning s.rows_read, s.rows_written
