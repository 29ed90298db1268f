-- SQLite: an event that was committed after the snapshot, but is in the topics already.
insert into event values (?, ?, 'LATE', 0)
