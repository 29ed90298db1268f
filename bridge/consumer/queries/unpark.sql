delete from bridge_inbox.parked where number = %(number)s
