-- No role's or database's own setting may change what a file of sql/ means. A file waits ten seconds for a lock at most,
-- because all who come later wait behind it.
set search_path = pg_catalog, pg_temp; set lock_timeout = '10s'; set check_function_bodies = on
