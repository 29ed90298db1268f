update bridge_inbox.parked
   set state = 'retrying', attempts = 0, due_at = now()
 where consumer_group = %(group)s and state = 'dead' and number = any(%(numbers)s)
