-- SQLite: events of which there are more dead letters than deaths were known.
select s.id from seen s
 where s.is_dead
 group by s.id
having count(*) > (select max(coalesce(max(deaths), 1), 1) from event e where e.id = s.id)
