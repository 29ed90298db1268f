-- What was decided about dead events, the latest first.
select decided_at, decision, why, decided_by, os_user, host, event_id, seq, source, topic, died_of
  from bridge.dead_decision
 where %(event_id)s::uuid is null or event_id = %(event_id)s
 order by id desc
 limit %(most)s
