select bridge.erase_rows(%(erasure)s, %(leaf)s::oid::regclass, %(parent)s, %(key)s, %(most)s)
