-- SQLite: events that should be in a topic, and are not. The two sides meet by event id and nothing else. Without a route,
-- nobody knows in which topic.
insert into missing
select id, source, seq, status, type, at, case when status = 'PROCESSED' and type is null then 'unrouted' end
  from event e
 where status in ('PROCESSED', 'DEAD', 'GIVEN UP')
   and not exists (select s.id from seen s where s.id = e.id and s.is_dead = (e.status <> 'PROCESSED'))
