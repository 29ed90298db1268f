-- Whether an event that was read by a time had to wait behind an earlier one of its topic and key: that one was dead, and
-- somebody decided about it only later.
select exists (
    select
      from bridge.dead_decision as d
     where d.topic = %(topic)s and d.seq < %(seq)s and d.decided_at > %(read_by)s
       and (exists (select from bridge.outbox as o where o.id = d.event_id and o.event_key = %(key)s)
            or exists (select
                         from bridge.history as h
                        where h.id = d.event_id
                          and coalesce(h.event_key, h.entity_type || ':' || h.entity_id) = %(key)s)))
