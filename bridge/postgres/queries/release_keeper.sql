update bridge.keeper set owner = null, lease_until = null where owner = %(owner)s
