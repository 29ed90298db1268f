-- SQLite: dead events that are published all the same.
select distinct e.id
  from event e join seen s on s.id = e.id
 where e.status in ('DEAD', 'GIVEN UP') and not s.is_dead
