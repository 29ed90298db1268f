-- matching_route: the route of an event, as `bridge.encoding.routing` finds it.
--
-- Parameters: rules        of all routes: '=type', '^beginning of a type' or '@entity_type'
--             event_type   of the event; entity_type   of its table, null for an application's own
-- Returns:    its place in `rules`; null where no route names it
-- Writes:     nothing
-- Errors:     none
--
-- Without settings, so that the planner inlines it.
create or replace function bridge.matching_route(rules text[], event_type text, entity_type text) returns integer
    language sql immutable parallel safe
    return case
        when entity_type is not null
        then coalesce(array_position(rules, '@' || entity_type), array_position(rules, '=entity.changed'))
        when event_type <> 'entity.changed'
        then coalesce(array_position(rules, '=' || event_type),
                      (select array_position(rules, r.rule)
                         from unnest(rules) as r (rule)
                        where r.rule ^@ '^' and event_type <> '' and event_type ^@ substr(r.rule, 2)
                        order by length(r.rule) desc
                        limit 1)) end;
