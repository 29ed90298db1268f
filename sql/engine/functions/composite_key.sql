-- composite_key: the key of several columns as text: a JSON array, which cannot collide as 'a:b' would.
--
-- Parameters: state   a row as JSON;  columns   the key's columns, in the order of the primary key
-- Returns:    text, for example ["7c1e...", "91ab..."]
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.composite_key(state jsonb, columns text[]) returns text
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_agg(state -> name order by position)::text from unnest(columns) with ordinality as c (name, position)
$$;
