-- SQLite: an event that was committed after the snapshot, or was not asked for, but is in the topics.
insert into event (id, seq, status, deaths) values (?, ?, 'LATE', 0)
