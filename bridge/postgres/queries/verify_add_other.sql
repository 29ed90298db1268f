-- SQLite: one record of somebody else.
insert into other values (?, ?, ?)
