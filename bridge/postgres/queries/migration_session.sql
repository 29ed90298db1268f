-- No role's or database's own setting may change what a file of sql/ means. All who come later wait behind a lock that a
-- file waits for, so it waits briefly, and is tried again; but longer than deadlock_timeout, usually a second, after which
-- Postgres ends an autovacuum that is in the way.
set search_path = pg_catalog, pg_temp; set lock_timeout = '1500ms'; set check_function_bodies = on
