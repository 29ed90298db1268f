-- A transaction id that nobody has had before.
select pg_current_xact_id()::text
