-- SQLite: to find the records of a key.
create index if not exists seen_key_idx on seen (key, place);
create index if not exists other_key_idx on other (key, place);
