-- SQLite: finds the differences, once it is known which of the missing events cannot be judged.

insert into difference select 'lost', id from missing where reason is null;

-- Copies beyond the first. A dead letter that was published later, after a retry, is none; nor is one for each death. How
-- often an event died is not known once it has left.
create table copy as
select number, id
  from (select rowid as number, id, is_dead, row_number() over (partition by id, is_dead order by rowid) as nth
          from seen
         where id in (select id from seen group by id, is_dead having count(*) > 1)) s
 where nth > case when is_dead then (select max(coalesce(max(deaths), 1), 1) from event e where e.id = s.id) else 1 end
   and not (is_dead and id in (select id from departed));

insert into difference select 'duplicated', id from copy;

insert into difference
select distinct 'phantom', id
  from unknown u
 where not exists (select e.id from event e where e.id = u.id)
   and id not in (select id from departed);

-- Events behind one of their key with a higher seq; within a partition, because Kafka keeps no other order. Dead letters
-- have the order of the deaths: after a retry an event may die once more. Of events that have left the database, those of
-- the history are in order, too, as their records say: of the others, some may have been to wait for their time. Numbers
-- that a restore gave twice are told by the times.
insert into difference
select 'reordered', id
  from (select s.id, s.seq, s.at, s.is_known,
               max(case when s.is_known then s.seq end) over before as highest_known,
               max(s.seq) over before as highest, max(s.at) over before as latest
          from (select s.id, s.place, s.key, s.rowid as number, coalesce(e.seq, s.seq) as seq, s.at,
                       e.id is not null as is_known
                  from seen s
                  left join event e on e.id = s.id
                  left join departed d on d.id = s.id and d.source = 1
                 where not s.is_dead
                   and (e.id is not null and e.seq is not null or e.id is null and d.id is not null)
                   and s.rowid not in (select number from copy)) s
        window before as (partition by s.place, s.key order by s.number rows between unbounded preceding and 1 preceding))
 where is_known and seq < highest_known or seq < highest and at < latest;
