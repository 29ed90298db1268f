-- SQLite: one record of ours in a topic.
insert into seen values (?, ?, ?, ?, ?, ?, ?, ?)
