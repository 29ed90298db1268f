-- is_set_back: was the sequence of event numbers set back, and not repaired since?
--
-- Returns:    boolean. Then events may have numbers that were given twice: bridge.unread lacks some that are pending
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.is_set_back() returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select exists (select from bridge.shard where renumber)
           or coalesce(pg_sequence_last_value('bridge.event_seq'), 0) < bridge.highest_seq()
$$;
