-- entity_key: the key of a row, as bridge.history.entity_id holds it.
--
-- Parameters: state   a row as JSON;  columns   the key's columns
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
--
-- The planner inlines it: it has no SET clause, and is not declared more immutable than what it calls. Its names were
-- resolved when it was created.
create or replace function bridge.entity_key(state jsonb, columns text[]) returns text
    language sql stable parallel safe
    return case when array_length(columns, 1) = 1 then state ->> columns[1]
                else bridge.composite_key(state, columns) end;
