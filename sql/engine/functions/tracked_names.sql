-- tracked_names: what is tracked, under which names: to compare routes with.
--
-- Returns:    relation, as it is called now or, of one that is gone, was last; entity_type; columns, those it has now
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.tracked_names()
    returns table (relation text, entity_type text, columns text[])
    language sql stable
    security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    select coalesce(bridge.qualified_name(t.relation), t.known_as), t.entity_type,
           array(select c.name::text from bridge.tracked_columns(t) as c order by c.number)
      from bridge.tracked_table as t
     order by t.entity_type
$$;

revoke execute on function bridge.tracked_names from public;
