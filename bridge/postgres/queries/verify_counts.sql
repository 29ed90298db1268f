-- SQLite: how much there is on each side.
select (select count(*) from event) as events,
       (select count(*) from seen) as records,
       (select count(distinct s.id) from seen s join event e on e.id = s.id where not s.is_dead) as published,
       (select count(*) from event e where status = 'PENDING' and id not in (select id from seen)) as pending,
       (select count(*) from event where status = 'DEAD') as dead,
       (select count(*) from event where status = 'GIVEN UP') as given_up,
       (select count(*) from seen where is_dead) as dead_letters
