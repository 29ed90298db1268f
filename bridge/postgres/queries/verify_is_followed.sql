-- SQLite: whether this topic has a record of the key that came after this event, or may have: compaction keeps the last.
select exists (select 1 from seen s
                where s.key = :key and s.place between :first and :last and coalesce(s.seq > :seq, true))
    or exists (select 1 from other o where o.key = :key and o.place between :first and :last)
