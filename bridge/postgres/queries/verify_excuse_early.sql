-- SQLite: events that were written before anything that is left in a topic had been published, and whose numbers are
-- below all that is left in its first partition, in which they may have been.
update missing set reason = 'trimmed'
 where type = :type and status = 'PROCESSED' and reason is null
   and at <= :at
   and (seq is null
        or seq <= (select coalesce(min(coalesce(e.seq, s.seq)), 9223372036854775807)
                     from seen s left join event e on e.id = s.id
                    where s.place = :place and s.position >= :position))
