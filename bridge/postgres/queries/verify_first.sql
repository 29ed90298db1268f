-- SQLite: the first records of a topic's partition that are still there, with when their events had been published at the
-- latest if these have left the database.
select cast(s.id as text), (select min(p.left_at) from partition p
                             where p.source = s.source and s.at >= p.since and s.at < p.until)
  from seen s
 where s.place = :place and s.position >= :position and not s.is_dead
 order by s.position
 limit :rows
