delete from bridge_inbox.received
 where ctid = any (array(select r.ctid
                           from bridge_inbox.received as r
                          where r.consumer_group = %(group)s and r.received_at < now() - %(keep)s
                          order by r.received_at
                          limit %(rows)s))
