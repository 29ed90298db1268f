-- find_subject: what a table partition holds of a subject.
--
-- Parameters: leaf          a partition of `parent`, or a table that was one
--             parent, entity_type, key   as bridge.erasure_filter has them
-- Returns:    rows          that are not erased yet
--             types         of all its events
-- Writes:     nothing
-- Errors:     those of reading it
create or replace function bridge.find_subject(leaf regclass, parent text, entity_type text, key text,
                                               out rows bigint, out types text[])
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set row_security = off              -- a policy that hides rows is an error
as $$
begin
    execute format('select count(*) filter (where (%s) is not true),'
                   '       coalesce(array_agg(distinct %s), ''{}'') from only %s where %s',
                   bridge.erased_filter(parent),
                   case parent when 'bridge.outbox' then 'event_type'
                               when 'bridge.history' then '''entity.changed''::text'
                               else 'null::text' end,
                   leaf, bridge.erasure_filter(parent, entity_type, key))
       into rows, types;
    types := array_remove(types, null);
end $$;

revoke execute on function bridge.find_subject(regclass, text, text, text) from public;
