-- Each CHECK is parsed anew for each statement that inserts, which cost a single-row write more than its index entries.
-- These promised what the tracking functions write as constants, and nobody else has the right to write. What remains
-- is the one that a repair by hand could break: an event that is neither pending nor finished.
alter table bridge.entity_events
    drop constraint occurred_at_is_finite,
    drop constraint action_is_known,
    drop constraint actor_status_is_known,
    drop constraint states_fit_the_action,
    drop constraint status_is_known;
alter table bridge.activity_log drop constraint actor_status_is_known;

comment on column bridge.activity_log.id is
    'The event''s, in bridge.entity_events, where a tracking trigger wrote the row';
