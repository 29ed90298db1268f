-- A row where this keeper holds the lease now. One that ends too far ahead was taken by a clock that was set back.
update bridge.keeper
   set owner = %(owner)s, lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
 where owner is null or owner = %(owner)s or lease_until < clock_timestamp()
    or lease_until > clock_timestamp() + make_interval(secs => 2 * %(lease_seconds)s)
returning owner
