-- All that a shard has still to publish, to be looked for in the topics by id. Times as in read_pending.sql.
select 'event_queue' as source, seq, id::text, event_type, event_key,
       (date_part('epoch', least(greatest(created_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint as created_us
  from bridge.event_queue where shard = %(shard)s and status = 'PENDING'
union all
select 'entity_events', seq, id::text, 'entity.changed', entity_type || ':' || entity_id,
       (date_part('epoch', least(greatest(occurred_at, '0001-01-02Z'), '9999-12-30Z')) * 1000000)::bigint
  from bridge.entity_events where shard = %(shard)s and status = 'PENDING'
