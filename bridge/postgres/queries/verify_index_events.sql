-- SQLite: after loading, because sorting once is cheaper than keeping an order.
create index event_id_idx on event (id, status, seq);
create index seen_id_idx on seen (id, is_dead);
