-- Stops a shard that is still ours, as we took it, and gives its lease back. No row: it was taken over meanwhile.
-- Numbers are all shards': where they were given twice, the others stop, too, and claim nothing any more. What they have
-- in flight is found out by bridge recover.
with stopped as materialized (
    select s.shard, s.shard = %(shard)s as is_ours
      from bridge.shard as s
     where (s.shard = %(shard)s or %(renumber)s)
       and exists (select from bridge.shard
                    where shard = %(shard)s and owner = %(owner)s and generation = %(generation)s)
     order by s.shard
       for update
)
update bridge.shard as s
   set stopped = coalesce(s.stopped, replace(%(reason)s, 'shard ' || %(shard)s || ' is', 'shard ' || s.shard || ' is')),
       renumber = %(renumber)s, owner = null, lease_until = null,
       generation = s.generation + (not t.is_ours)::integer, updated_at = clock_timestamp()
  from stopped as t
 where s.shard = t.shard
returning s.shard
