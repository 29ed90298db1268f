-- What was parked and has been published is parked no more, if the claim in this transaction held; that it had been dead
-- is not forgotten.
with published as materialized (
    select c.seq
      from jsonb_to_recordset(%(changes)s) as c (seq bigint, state text)
     where c.state = 'published'
       and exists (select from bridge.shard
                    where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)
), had_died as (
    update bridge.parked as p
       set state = 'published', blocks = false, stops = false, waits_for = null, replay_id = null, since = clock_timestamp()
      from published as u
     where p.seq = u.seq and p.deaths > 0
)
delete from bridge.parked as p using published as u where p.seq = u.seq and p.deaths = 0
