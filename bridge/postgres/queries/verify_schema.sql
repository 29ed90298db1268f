-- SQLite: the auditor's own tables, on disk, so that memory stays bounded. Ids are the bytes of their text.
create table event (id blob, seq integer, status text, deaths integer);
create table seen (id blob, is_dead integer, place integer, key blob);  -- in the order of reading; place: topic, partition
create table difference (kind text, id blob);
