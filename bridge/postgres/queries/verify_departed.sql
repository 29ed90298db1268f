-- SQLite: what only the topics have, but is of a time whose table partition was taken out.
insert into departed
select u.id, u.source, min(p.left_at)
  from unknown u join partition p on p.source = u.source and p.left_at is not null and u.at >= p.since and u.at < p.until
 where not exists (select e.id from event e where e.id = u.id)
 group by u.id
