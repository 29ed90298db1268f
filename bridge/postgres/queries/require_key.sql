-- Fails, and says what to do, where a table has no primary key, by which its changes would be tracked.
select from bridge.find_key(%(table)s::oid::regclass, null)
