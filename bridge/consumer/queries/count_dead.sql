select count(*)
  from bridge_inbox.parked
 where consumer_group = %(group)s and state = 'dead'
