-- entity_history: all that happened to one row of a tracked table, the oldest first.
--
-- Parameters: entity_type, entity_id   as in bridge.history; entity_id as text, whatever type the key has
-- Returns:    rows of bridge.history
-- Writes:     nothing
-- Errors:     none
--
-- The index holds a hash of the key, because a key may be of any length. The planner inlines this function, so more
-- conditions and a limit may follow it.
create or replace function bridge.entity_history(entity_type text, entity_id text) returns setof bridge.history
    language sql stable parallel safe
as $$
    select e.*
      from bridge.history as e
     where pg_catalog.hashtextextended(e.entity_id, 0) = pg_catalog.hashtextextended(entity_history.entity_id, 0)
       and e.entity_id = entity_history.entity_id
       and e.entity_type = entity_history.entity_type
     order by e.seq
$$;
