-- The same for all at once: what a dead event blocks may have been configured otherwise since.
update bridge_inbox.parked as p
   set state = 'retrying', due_at = now()
 where p.consumer_group = %(group)s and p.state = 'waiting'
   and not exists (select
                     from bridge_inbox.parked as e
                    where e.consumer_group = p.consumer_group and e.topic = p.topic
                      and sha256(e.key) = sha256(p.key) and e.key = p.key and e.number < p.number
                      and (e.state <> 'dead' or %(dead_blocks)s))
