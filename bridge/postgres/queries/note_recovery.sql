-- Who let a shard go on, and what was found.
insert into bridge.recovery (shard, stopped, events_published, events_dead, events_left, renumbered,
                             why, os_user, host)
values (%(shard)s, %(stopped)s, %(events_published)s, %(events_dead)s, %(events_left)s, %(renumbered)s,
        %(why)s, %(os_user)s, %(host)s)
