-- Events of a subject that are still to be published: unread, and parked by state. `entity_type` is null for the key of an
-- application's own events.
with change as materialized (
    select id
      from bridge.history
     where hashtextextended(entity_id, 0) = hashtextextended(%(key)s, 0) and entity_id = %(key)s
       and entity_type = %(entity_type)s::text
)
select 'unread', count(*)
  from bridge.unread as u
 where case when %(entity_type)s::text is null then u.source = 'event_queue' and u.event_key = %(key)s
            else u.source = 'entity_events' and u.id in (select id from change) end
having count(*) > 0
union all
select p.state, count(*)
  from bridge.parked as p
 where case when %(entity_type)s::text is null
            then p.source = 'event_queue' and p.key_hash = hashtextextended(%(key)s, 0)
            else p.source = 'entity_events' and p.event_id in (select id from change) end
   and p.state not in ('skipped', 'published', 'refused')
 group by p.state
