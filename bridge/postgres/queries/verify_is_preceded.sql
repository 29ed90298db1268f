-- SQLite: whether this partition still has a record of the key that came before this event: of an earlier event that was
-- not to wait for its time, and never died. Of one that has left the database that is not known.
select exists (
    select 1
      from seen s join event e on e.id = s.id
     where s.key = :key and s.place = :place and s.position >= :position and not s.is_dead
       and e.seq < :seq and e.deaths = 0 and e.status <> 'LATE')
