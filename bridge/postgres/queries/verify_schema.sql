-- SQLite: the auditor's own tables, on disk, so that memory stays bounded. Ids are the bytes of their text, times are
-- microseconds since 1970, sources 0 (bridge.outbox) and 1 (bridge.history).
create table event (id blob, source integer, seq integer, status text, deaths integer, type integer, at integer);
create table seen (  -- in the order of reading
    id blob,
    is_dead integer,
    place integer,   -- topic and partition
    position integer,
    key blob,
    source integer,
    seq integer,     -- as the record has it
    at integer
);
-- Records of others, replayed ones, and tombstones, in compacted topics; the event behind which a tombstone comes.
create table other (place integer, key blob, id blob);
create table partition (source integer, since integer, until integer, left_at integer);  -- null: it is there
create table unknown (id blob, source integer, at integer);
create table departed (id blob primary key, source integer, left_at integer) without rowid;
create table missing (id blob, source integer, seq integer, status text, type integer, at integer, reason text);
create table doubtful (number integer primary key, missing integer, id text, seq integer, at integer);
create table difference (kind text, id blob);
