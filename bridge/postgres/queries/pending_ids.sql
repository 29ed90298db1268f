-- All that a shard has still to publish, to be looked for in the topics by id; what is replayed, by its replay; and what is
-- dead, or was given up: it may have been retried and published since, if the database was restored.
select id::text, source, null::bigint as replay_id, false as is_dead from bridge.unread where shard = %(shard)s
 union all
select event_id::text, source, case when state = 'replayed' then replay_id end, state in ('dead', 'skipped')
  from bridge.parked
 where shard = %(shard)s and state in ('waiting', 'deferred', 'retried', 'replayed', 'dead', 'skipped')
