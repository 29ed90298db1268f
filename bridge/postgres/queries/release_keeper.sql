update bridge.keeper set owner = null, pid = null, lease_until = null where owner = %(owner)s
