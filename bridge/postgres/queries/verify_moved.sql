-- SQLite: types of which all that is lost precedes the first record in the topic of their route: perhaps another topic has
-- it, because the route named that before.
select m.type
  from missing m
 where m.reason is null and m.status = 'PROCESSED' and m.type is not null
 group by m.type
having max(m.at) < coalesce((select min(e.at)
                               from event e join seen s on s.id = e.id
                              where e.type = m.type and not s.is_dead), 9223372036854775807)
