select bridge.cold_query(%(relation)s::oid, %(pinned)s)
