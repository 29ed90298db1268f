-- A row where this keeper holds the lease now. One that ends too far ahead was taken by a clock that was set back; and
-- whose session has ended is dead, or will find its connection lost. Behind a pooler nobody's session is known (null).
update bridge.keeper
   set owner = %(owner)s, pid = case when not %(is_pooled)s then pg_backend_pid() end,
       lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
 where owner is null or owner = %(owner)s or lease_until < clock_timestamp()
    or pid <> all (select a.pid from pg_stat_activity as a)
    or lease_until > clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s)
returning owner
