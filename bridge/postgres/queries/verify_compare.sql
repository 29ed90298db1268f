-- SQLite: finds the differences. The two sides meet by event id and nothing else.

insert into difference
select 'lost', id
  from event e
 where status in ('PROCESSED', 'DEAD')
   and not exists (select s.id from seen s where s.id = e.id and s.is_dead = (e.status = 'DEAD'));

-- Copies beyond the first. A dead letter that was published later, after a retry, is none; nor is one for each death.
create table copy as
select number, id
  from (select rowid as number, id, is_dead, row_number() over (partition by id, is_dead order by rowid) as nth
          from seen
         where id in (select id from seen group by id, is_dead having count(*) > 1)) s
 where nth > case when is_dead then (select max(coalesce(max(deaths), 1), 1) from event e where e.id = s.id) else 1 end;

insert into difference select 'duplicated', id from copy;

insert into difference
select 'phantom', id from unknown u where not exists (select e.id from event e where e.id = u.id);

-- Events behind one of their key with a higher seq; within a partition, because Kafka keeps no other order. Dead letters
-- have the order of the deaths: after a retry an event may die once more.
insert into difference
select 'reordered', id
  from (select s.id, e.seq, max(e.seq) over (partition by s.place, s.key order by s.rowid
                                             rows between unbounded preceding and 1 preceding) as highest
          from seen s join event e on e.id = s.id
         where not s.is_dead
           and s.rowid not in (select number from copy))
 where seq < highest;
