-- SQLite: phantoms of a time of which there is no table partition: how many, from when to when.
select u.source, count(*), min(u.at), max(u.at)
  from unknown u
 where u.at is not null
   and u.id in (select id from difference where kind = 'phantom')
   and not exists (select 1 from partition p
                    where p.source = u.source and u.at >= p.since and u.at < p.until)
 group by u.source
