-- How often each of these events has died by now, also of a batch of which it is not settled that it was published.
select p.event_id::text,
       p.deaths + (select count(*)
                     from bridge.shard as s
                    cross join jsonb_to_recordset(s.in_flight -> 'changes') as c (seq bigint, state text)
                    where s.shard = p.shard and c.seq = p.seq and c.state = 'dead')
  from bridge.parked as p
 where p.event_id = any (%(ids)s::uuid[])
