-- What is parked of one event. Its row may be gone from the tables while this one is left.
select event_id, source, seq, shard, topic, key_hash, state, reason, waits_for, deaths, replay_id, since,
       least(greatest(at, '0001-01-02Z'), '9999-12-30Z') as at,
       least(greatest(due_at, '0001-01-02Z'), '9999-12-30Z') as due_at
  from bridge.parked
 where event_id = %(id)s
 order by seq desc
 limit 1
