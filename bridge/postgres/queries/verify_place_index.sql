-- SQLite: to find the first records of a topic's partition.
create index if not exists seen_place_idx on seen (place, position)
