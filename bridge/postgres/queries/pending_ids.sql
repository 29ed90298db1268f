-- All that a shard has still to publish, to be looked for in the topics by id; what is replayed, by its replay, too.
select id::text, source, null::bigint as replay_id from bridge.unread where shard = %(shard)s
 union all
select event_id::text, source, case when state = 'replayed' then replay_id end
  from bridge.parked
 where shard = %(shard)s and state in ('waiting', 'deferred', 'retried', 'replayed')
