-- A B-tree refuses an entry of more than 2,704 bytes, so no index may hold a key that a writer chooses: a long one
-- would abort the write, or the relay's note that the event is dead. These hold its hash. Who looks a key up compares
-- both: the hash finds the row, the text decides.
drop index bridge.dead_event_held_key_idx;
drop index bridge.entity_events_entity_idx;
drop index bridge.activity_log_entity_idx;
drop index bridge.activity_log_archive_entity_idx;

create index dead_event_held_key_idx on bridge.dead_event (hashtextextended(event_key, 0)) where holds_key;
create index entity_events_entity_idx on bridge.entity_events (hashtextextended(entity_id, 0));
create index activity_log_entity_idx on bridge.activity_log (hashtextextended(entity_id, 0), occurred_at);
create index activity_log_archive_entity_idx
    on bridge.activity_log_archive (hashtextextended(entity_id, 0), occurred_at);
