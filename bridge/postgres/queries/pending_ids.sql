-- All that a shard has still to publish, to be looked for in the topics by id.
select id::text, source from bridge.unread where shard = %(shard)s
 union all
select event_id::text, source from bridge.parked where shard = %(shard)s and state in ('waiting', 'deferred', 'retried')
