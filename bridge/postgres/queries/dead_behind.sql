-- How many events wait behind a dead one, counted up to a bound: of its topic and key, or of its topic if that is
-- stopped.
select count(*)
  from (select from bridge.parked as d
          join bridge.parked as p
            on p.topic = d.topic and p.seq > d.seq and (d.stops or p.shard = d.shard and p.key_hash = d.key_hash)
         where d.seq = %(seq)s and d.blocks and p.state in ('waiting', 'deferred', 'retried')
         limit %(most)s) as later
