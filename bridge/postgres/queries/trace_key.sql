-- The last events of one key, the latest first: what is parked of it, and what is found among the last events of its
-- shard, up to a bound, because the outbox has no index of keys. A tracked row's own key is found by an index.
select f.id
  from (select p.event_id as id, p.seq
          from bridge.parked as p
         where p.shard = bridge.shard_of(%(key)s) and p.key_hash = hashtextextended(%(key)s, 0) and p.blocks
         union
        (select e.id, e.seq
           from (select o.id, o.seq, o.event_key
                   from bridge.outbox as o
                  where o.shard = bridge.shard_of(%(key)s)
                  order by o.seq desc
                  limit %(reach)s) as e
          where e.event_key = %(key)s
          order by e.seq desc
          limit %(most)s)
         union
        (select e.id, e.seq
           from (select h.id, h.seq, h.event_key
                   from bridge.history as h
                  where h.shard = bridge.shard_of(%(key)s)
                  order by h.seq desc
                  limit %(reach)s) as e
          where e.event_key = %(key)s
          order by e.seq desc
          limit %(most)s)
         union
        (select h.id, h.seq
           from bridge.history as h
          where hashtextextended(h.entity_id, 0) in (
                    select hashtextextended(c.entity_id, 0) from unnest(%(entity_ids)s::text[]) as c (entity_id))
            and h.event_key is null and h.entity_type || ':' || h.entity_id = %(key)s
          order by h.seq desc
          limit %(most)s)) as f
 order by f.seq desc
 limit %(most)s
