update bridge.snapshot
   set state = 'given up', last_key = null, until_key = null, changed_at = clock_timestamp()
 where id = %(id)s and state = 'unfinished'
