-- SQLite: an event that is dead, and published.
insert into difference values ('duplicated', ?)
