-- SQLite: the next of them.
select number, missing, id, seq, at from doubtful where number > :after order by number limit :rows
