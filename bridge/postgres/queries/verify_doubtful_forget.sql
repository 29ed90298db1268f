-- SQLite: those of another type have been judged.
delete from doubtful
