-- SQLite: missing events for which nothing else speaks.
select rowid, cast(id as text) from missing where reason is null and rowid > :after order by rowid limit :rows
