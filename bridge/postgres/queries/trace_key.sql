-- The last events of one key, the latest first: what is parked of it, and what is found among the last events of its
-- shard, up to a bound, because the outbox has no index of keys. A tracked row's own key is found by an index.
with wanted as (
    select bridge.shard_of(%(key)s) as shard, hashtextextended(%(key)s, 0) as key_hash
), found as (
    select p.event_id as id, p.seq
      from wanted as w
      join bridge.parked as p on p.shard = w.shard and p.key_hash = w.key_hash and p.blocks
     union
    select e.id, e.seq
      from (select o.id, o.seq, o.event_key
              from wanted as w
              join bridge.outbox as o on o.shard = w.shard
             order by o.seq desc
             limit %(reach)s) as e
     where e.event_key = %(key)s
     union
    select e.id, e.seq
      from (select h.id, h.seq, h.event_key
              from wanted as w
              join bridge.history as h on h.shard = w.shard
             order by h.seq desc
             limit %(reach)s) as e
     where e.event_key = %(key)s
     union
    select h.id, h.seq
      from bridge.history as h
     where hashtextextended(h.entity_id, 0) in (
               select hashtextextended(c.entity_id, 0) from unnest(%(entity_ids)s::text[]) as c (entity_id))
       and h.event_key is null and h.entity_type || ':' || h.entity_id = %(key)s
)
select id from found order by seq desc limit %(most)s
