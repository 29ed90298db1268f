-- What an event is, by its id, for its route; and what became of it.
select event_type, null as entity_type, event_key, status
  from bridge.event_queue
 where id = %(id)s
union all
select 'entity.changed', entity_type, event_key, status
  from bridge.entity_events
 where id = %(id)s
 limit 1
