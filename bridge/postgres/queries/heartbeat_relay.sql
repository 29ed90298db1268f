-- Says that this relay is alive, so that the others count it when they work out their fair share, what waits in it, what
-- it has done, and the newest migration that its program knows.
insert into bridge.relay (relay_id, host, pid, seen_until, waits, work, migration)
values (%(relay_id)s, %(host)s, %(pid)s, clock_timestamp() + make_interval(secs => %(lease_seconds)s),
        %(waits)s, %(work)s, %(migration)s)
on conflict (relay_id) do update set seen_until = excluded.seen_until, waits = excluded.waits, work = excluded.work
