-- What is first of a topic and key now, if it was waiting, is tried next.
update bridge_inbox.parked
   set state = 'retrying', due_at = now()
 where state = 'waiting'
   and number = (select p.number
                   from bridge_inbox.parked as p
                  where p.consumer_group = %(group)s and p.topic = %(topic)s
                    and sha256(p.key) = sha256(%(key)s) and p.key = %(key)s
                    and (p.state <> 'dead' or %(dead_blocks)s)
                  order by p.number
                  limit 1)
