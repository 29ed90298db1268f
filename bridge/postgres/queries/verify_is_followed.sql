-- SQLite: whether this topic has a record of the key that came after this event, or may have: compaction keeps the
-- last. What has no place in the order may have come whenever; a tombstone comes right behind its own event.
select exists (select 1 from seen s left join event e on e.id = s.id
                where s.key = :key and s.place between :first and :last
                  and coalesce(case when e.id is null then s.seq else e.seq end > :seq, true))
    or exists (select 1 from other o left join event e on e.id = o.id
                where o.key = :key and o.place between :first and :last and coalesce(e.seq >= :seq, true))
