delete from bridge_inbox.parked
 where consumer_group = %(group)s and state = 'dead' and number = any(%(numbers)s)
returning topic, key
