-- Parks what a batch could not publish, or takes note of why it still cannot, if the claim in this transaction held.
insert into bridge.parked as p (seq, source, event_id, at, shard, topic, key_hash, state, blocks, stops, waits_for, due_at,
                                deaths, reason)
select c.seq, c.source, c.id, timestamptz 'epoch' + c.us * interval '1 us', %(shard)s, c.topic, c.key_hash, c.state, c.blocks,
       c.stops, c.waits_for, timestamptz 'epoch' + c.due_us * interval '1 us', (c.state = 'dead')::integer, c.reason
  from jsonb_to_recordset(%(changes)s) as c (seq bigint, source text, id uuid, us bigint, topic text, key_hash bigint,
                                             state text, blocks boolean, stops boolean, waits_for text, due_us bigint, reason text)
 where c.state <> 'published'
   and exists (select from bridge.shard
                where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)
    on conflict (seq) do update
   set state = excluded.state, blocks = excluded.blocks, stops = excluded.stops, waits_for = excluded.waits_for,
       due_at = excluded.due_at, deaths = p.deaths + excluded.deaths, reason = coalesce(excluded.reason, p.reason), since = clock_timestamp()
