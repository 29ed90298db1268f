-- One migration of a database at a time; until the session ends.
select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended('bridge.migrate', 0))
