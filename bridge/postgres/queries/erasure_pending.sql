-- Events of a key that are still to be published: unread, and parked by state. `key` is Kafka's.
select 'unread', count(*)
  from bridge.unread as u
 where u.source = %(source)s and u.event_key = %(key)s
having count(*) > 0
union all
select p.state, count(*)
  from bridge.parked as p
 where p.source = %(source)s and p.key_hash = hashtextextended(%(key)s, 0) and p.state not in ('skipped', 'published')
 group by p.state
