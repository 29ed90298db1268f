-- Ends what a former owner's session left open, when the shard's lease is not another's: a relay that was stopped in the
-- middle of a claim, or whose machine vanished, holds the row's lock, and the server would not notice for hours.
select count(pg_terminate_backend(a.pid))
  from bridge.shard s
  join pg_stat_activity a on a.application_name = %(name)s
 where s.shard = %(shard)s
   and (s.owner is null or s.owner = %(owner)s
        or s.lease_until not between clock_timestamp() and clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s))
   and a.datname = current_database()
   and a.pid <> pg_backend_pid()
   and a.xact_start < clock_timestamp() - make_interval(secs => %(lease_seconds)s)
