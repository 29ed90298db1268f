-- find_key: the index by which the rows of a table are known.
--
-- Parameters: relation
--             key        its columns; null: the primary key
-- Returns:    a row of pg_index
-- Writes:     nothing
-- Errors:     42P16 invalid_table_definition, with the way out
--
-- Two rows hold one key for a while where it is checked at the end of the transaction. Then another transaction may
-- write in between, and no number that either of them draws says who was first.
create or replace function bridge.find_key(relation regclass, key text[]) returns pg_index
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_index pg_index;
begin
    select i.* into found_index
      from pg_index as i
     where i.indrelid = relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
       and case when key is null then i.indisprimary
                else array(select a.attname::text from pg_attribute as a
                            where a.attrelid = relation and a.attnum = any (bridge.index_columns(i)) order by a.attname)
                     = array(select name from unnest(key) as name order by name) end
       and not exists (select from pg_attribute as a
                        where a.attrelid = relation and a.attnum = any (bridge.index_columns(i)) and not a.attnotnull)
     order by i.indimmediate desc, i.indisprimary desc, i.indexrelid
     limit 1;
    if not found and key is null then
        raise exception 'table % has no primary key', relation
            using errcode = 'invalid_table_definition',
                  hint = 'Changes can be tracked only by key: add a primary key, or name the columns of another unique'
                         ' index whose columns are all NOT NULL (bridge track --key ...).';
    elsif not found then
        raise exception 'table % has no unique index of just the columns %', relation, array_to_string(key, ', ')
            using errcode = 'invalid_table_definition',
                  hint = 'It must have neither expressions nor a condition, and its columns must be NOT NULL.';
    elsif exists (select from pg_constraint as c where c.conindid = found_index.indexrelid
                   and c.contype in ('p', 'u') and c.condeferred) then
        raise exception 'the key of % is checked at the end of the transaction (initially deferred)', relation
            using errcode = 'invalid_table_definition',
                  hint = format('Have it checked at once (ALTER TABLE %s DROP CONSTRAINT ..., ADD PRIMARY KEY ...), or'
                                ' name the columns of another key.', relation);
    end if;
    return found_index;
end $$;

revoke execute on function bridge.find_key(regclass, text[]) from public;
