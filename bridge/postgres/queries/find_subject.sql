select rows, types from bridge.find_subject(%(leaf)s::oid::regclass, %(parent)s, %(entity_type)s, %(key)s)
