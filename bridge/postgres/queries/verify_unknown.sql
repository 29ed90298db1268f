-- SQLite: ids that only the topics have. A record without the time of an event is none of ours; what is of another time
-- than was asked for is not looked for.
insert into unknown
select s.id, s.source, min(s.at)
  from seen s
 where not exists (select e.id from event e where e.id = s.id)
   and (s.at is null or s.at between :since and :until)
 group by s.id, s.source
