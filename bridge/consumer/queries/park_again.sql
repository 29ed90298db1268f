update bridge_inbox.parked
   set state = %(state)s,
       attempts = %(attempts)s,
       due_at = now() + make_interval(secs => %(seconds)s),
       reason = %(reason)s
 where number = %(number)s and state = 'retrying' and attempts = %(attempts_before)s
