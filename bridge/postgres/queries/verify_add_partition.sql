-- SQLite: a time of which there is a table partition, or was.
insert into partition values (?, ?, ?, ?)
