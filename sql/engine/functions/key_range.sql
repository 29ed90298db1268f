-- key_range: SQL for the rows of a tracked table between two keys, in the order of their key.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             beyond    the rows after this key, a text for each column; null: from the first on
--             up_to     and up to this one; null: to the last
--             backwards true: the last row first
-- Returns:    text, what comes behind "from ... as r": where ... order by ...
-- Writes:     nothing
-- Errors:     42P16 invalid_table_definition where the key has no unique index any more
--
-- A comparison of rows, which an index can follow; but where the columns' operators have several names, as they have
-- when one comes from an extension in a schema of its own, it must be written out. Texts are read back by literals: a
-- cast from text may be somebody's function.
create or replace function bridge.key_range(
    tracked   bridge.tracked_table,
    beyond    text[],
    up_to     text[],
    backwards boolean default false
) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    is_alike boolean;
    order_by text;
    columns text;
    first text;
    last text;
    greater text;
    at_most text;
    is_beyond text := 'false';
    is_within text := 'true';
    part record;
begin
    select count(distinct c.greater) = 1 and count(distinct c.at_most) = 1,
           string_agg(format('r.%I%s using %s', c.name, c.collation,
                             case when backwards then c.greater else c.less end), ', ' order by c.position),
           string_agg(format('r.%I%s', c.name, c.collation), ', ' order by c.position),
           string_agg(format('%L::%s', beyond[c.position], c.type), ', ' order by c.position),
           string_agg(format('%L::%s', up_to[c.position], c.type), ', ' order by c.position),
           min(c.greater), min(c.at_most)
      into is_alike, order_by, columns, first, last, greater, at_most
      from bridge.key_columns(tracked) with ordinality
               as c (name, type, "collation", less, equal, at_most, greater, position);
    if order_by is null then
        raise exception 'the key of % has no unique index of its own any more', tracked.relation
            using errcode = 'invalid_table_definition', hint = 'Make one, or name another key with bridge track --key.';
    elsif is_alike then
        is_beyond := format('row(%s) %s row(%s)', columns, greater, first);
        is_within := format('row(%s) %s row(%s)', columns, at_most, last);
    else
        for part in
            select format('r.%I%s', c.name, c.collation) as value, c.* from bridge.key_columns(tracked) with ordinality
                       as c (name, type, "collation", less, equal, at_most, greater, position)
             order by c.position desc loop
            is_beyond := format('(%1$s %2$s %3$L::%4$s or %1$s %5$s %3$L::%4$s and %6$s)', part.value, part.greater,
                                beyond[part.position], part.type, part.equal, is_beyond);
            is_within := format('(%1$s %2$s %3$L::%4$s or %1$s %5$s %3$L::%4$s and %6$s)', part.value, part.less,
                                up_to[part.position], part.type, part.equal, is_within);
        end loop;
    end if;
    return format('where %s and %s order by %s', case when beyond is null then 'true' else is_beyond end,
                  case when up_to is null then 'true' else is_within end, order_by);
end $$;

revoke execute on function bridge.key_range(bridge.tracked_table, text[], text[], boolean) from public;
