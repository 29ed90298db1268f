-- Every event and what became of it, in one snapshot.
copy (
    select id, seq, status from bridge.event_queue
    union all
    select id, seq, status from bridge.entity_events
) to stdout
