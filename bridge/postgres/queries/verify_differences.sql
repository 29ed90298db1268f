-- SQLite: how many differences of each kind, and a few ids.
select kind, count(*),
       (select json_group_array(cast(id as text)) from (select distinct id from difference d where d.kind = o.kind limit 5))
  from difference o
 group by kind
