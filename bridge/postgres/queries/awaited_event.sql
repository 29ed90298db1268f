-- What has become of an event, by its id; why it is dead, or behind which dead event it waits.
select e.status, e.error_message, d.event_id
  from (select id, seq, status, error_message from bridge.event_queue where id = %(id)s
         union all
        select id, seq, status, error_message from bridge.entity_events where id = %(id)s
         limit 1) as e
  left join bridge.parked as p on p.event_id = e.id and p.seq = e.seq and p.state in ('waiting', 'deferred', 'retried')
  left join lateral (
    select d.event_id
      from bridge.parked as d
     where d.topic = p.topic and d.state = 'dead' and d.seq < p.seq
       and (d.stops or d.blocks and d.shard = p.shard and d.key_hash = p.key_hash)
     order by d.seq
     limit 1
 ) as d on true
