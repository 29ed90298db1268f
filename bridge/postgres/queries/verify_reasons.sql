-- SQLite: how much could not be judged, and why.
select reason, sum(number)
  from (select reason, count(*) as number from missing where reason is not null group by reason
        union all
        select 'departed', count(*) from departed having count(*) > 0)
 group by reason
 order by reason
