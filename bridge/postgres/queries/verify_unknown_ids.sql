-- SQLite: all of them.
select distinct id from unknown
