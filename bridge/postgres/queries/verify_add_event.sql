-- SQLite: what the database says of one event.
insert into event values (?, ?, ?, ?, ?, ?, ?)
