-- What a replay would publish, and what it would pass: by the same conditions as bridge.replay_slice(), from the views that
-- say what became of each event.
select count(*) filter (where is_published and topic is not null and not is_open) as events,
       count(*) filter (where not is_published) as unpublished,
       count(*) filter (where is_published and is_open) as being_replayed,
       count(*) filter (where is_published and topic is null and not is_open) as unrouted
  from (select e.status = 'PROCESSED' as is_published, case when not e.headers ? 'bridge_erased' then r.topic end as topic,
               exists (select from bridge.parked as p where p.seq = e.seq and p.event_id = e.id and p.state = 'replayed') as is_open
          from (select id, seq, event_type, null as entity_type, event_key, created_at as at, status, headers
                  from bridge.event_queue
                union all
                select id, seq, 'entity.changed', entity_type, event_key, occurred_at, status, headers
                  from bridge.entity_events) as e
         cross join lateral (
            select (%(routed_topics)s::text[])[bridge.matching_route(%(rules)s::text[], e.event_type, e.entity_type)] as topic) as r
         where e.at >= %(since)s::timestamptz
           and e.at < %(until)s::timestamptz
           and (%(types)s::text[] is null or e.event_type = any (%(types)s::text[]))
           and (%(keys)s::text[] is null or e.event_key = any (%(keys)s::text[]))
           and (%(topics)s::text[] is null or r.topic = any (%(topics)s::text[]))) as wanted
