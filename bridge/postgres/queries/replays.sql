-- One replay, or all, the latest first. `events_open` of its events are still to be published, `events_refused` cannot be any
-- more as they are.
select r.id, r.since, r.until, r.event_types, r.event_keys, r.topics, r.until_seq, r.last_seq, r.events_parked,
       r.events_passed, r.state, r.started_at, r.changed_at, r.started_by, r.why, r.os_user, r.host, p.events_open,
       p.events_refused
  from bridge.replay as r
  left join (select replay_id, count(*) filter (where state = 'replayed') as events_open,
                    count(*) filter (where state = 'refused') as events_refused
               from bridge.parked
              where state in ('replayed', 'refused')
              group by replay_id) as counted on counted.replay_id = r.id
 cross join lateral (select coalesce(counted.events_open, 0) as events_open,
                            coalesce(counted.events_refused, 0) as events_refused) as p
 where %(id)s::bigint is null or r.id = %(id)s
 order by r.id desc
 limit %(most)s
