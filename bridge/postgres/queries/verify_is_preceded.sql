-- SQLite: whether this partition still has a record of the key that came before this event: one of the key's that was not
-- to wait for its time, and has not died meanwhile.
select exists (
    select 1
      from seen s
      left join event e on e.id = s.id
      left join departed d on d.id = s.id and d.source = 1
     where s.key = :key and s.place = :place and s.position >= :position and not s.is_dead
       and coalesce(e.seq, case when d.id is not null then s.seq end) < :seq
       and coalesce(e.deaths, 0) = 0)
