-- Which topics and keys have an earlier event that is parked. The first of each stays as it is until our transaction
-- ends: whoever handles it, and looks for what waits behind it, comes before us, or finds what we park.
select w.topic, w.key
  from unnest(%(topics)s::text[], %(keys)s::bytea[]) as w (topic, key)
 cross join lateral (select p.number
                       from bridge_inbox.parked as p
                      where p.consumer_group = %(group)s and p.topic = w.topic
                        and sha256(p.key) = sha256(w.key) and p.key = w.key
                        and (p.state <> 'dead' or %(dead_blocks)s)
                      order by p.number
                      limit 1
                        for share) as first
