-- change_summary: a change in a few words.
--
-- Parameters: action, entity_type, changed_fields   as in bridge.history
--             is_update   true for the DELETE and the INSERT that an UPDATE of the key gives
-- Returns:    text: UPDATE of contacts: email, phone
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.change_summary(
    action         text,
    entity_type    text,
    changed_fields text[] default null,
    is_update      boolean default false
) returns text
    language sql stable parallel safe
    return action || ' of ' || entity_type
        || case when changed_fields is not null then ': ' || array_to_string(changed_fields, ', ')
                when is_update then ' (its key changed)' else '' end;
