-- SQLite: missing events of a type whose topic does not have all of its records, in the order of their time.
insert into doubtful (missing, id, seq, at)
select rowid, cast(id as text), seq, at from missing
 where type = :type and status = 'PROCESSED' and reason is null
 order by at
