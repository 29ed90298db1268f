-- SQLite: missing events of a type for which nothing else speaks.
select rowid, cast(id as text) from missing
 where type = :type and status = 'PROCESSED' and reason is null and rowid > :after
 order by rowid
 limit :rows
