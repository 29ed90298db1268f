-- Events that a relay could still publish, and how many of them wait behind a dead event, of their topic and key or one
-- that stops their topic. Events that no batch has read yet count as not waiting: the next batch finds out. What is
-- replayed waits for no dead one. What a stopped shard has waits for bridge recover, and is not counted; what it stops in
-- other shards waits for that, too, and counts as behind a dead one, retried or not.
with carried as (
    select shard from bridge.shard where stopped is null
)
select (select count(*) from bridge.unread where shard in (select shard from carried)) + count(*),
       count(*) filter (where (exists (select from bridge.parked as d
                                        where d.shard = p.shard and d.key_hash = p.key_hash and d.topic = p.topic
                                          and d.blocks and d.state = 'dead' and d.seq < p.seq)
                               or exists (select from bridge.parked as d
                                           where d.topic = p.topic and d.stops and d.seq < p.seq
                                             and (d.state = 'dead' or d.shard not in (select shard from carried))))
                          and p.state <> 'replayed')
  from bridge.parked as p
 where state in ('waiting', 'deferred', 'retried', 'replayed') and shard in (select shard from carried)
