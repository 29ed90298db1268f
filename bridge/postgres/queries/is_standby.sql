-- Whether this server replays what another one has done, and may not have the last of it.
select pg_is_in_recovery()
