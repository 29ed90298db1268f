-- fill_template: put parts into a text, in one pass, so that nothing within a part is taken for a place of another.
--
-- Parameters: template   text with places like {{name}}
--             parts      an object: name to text; a place without a part becomes empty
-- Returns:    text
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.fill_template(template text, parts jsonb) returns text
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
    set standard_conforming_strings = on
as $$
    select string_agg(m.found[1] || coalesce(parts ->> m.found[2], ''), '' order by m.position)
      from regexp_matches(template, '(.*?)(?:\{\{(\w+)\}\}|$)', 'g') with ordinality as m (found, position)
$$;

revoke execute on function bridge.fill_template(text, jsonb) from public;
