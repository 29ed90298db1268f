-- key_columns: how the key of a tracked table is ordered and compared: as its unique index does it.
--
-- Parameters: tracked   a row of bridge.tracked_table
-- Returns:    in the key's order: name; type, under which a text is read back; collation: '' or ' collate ...'; less,
--             equal, at_most, greater: the index's operators, in full. No row where no unique index is left
-- Writes:     nothing
-- Errors:     none
--
-- Neither the type's usual operators nor the column's collation: an index may have others, by which other keys are
-- alike. An operator class is a superuser's, so none of this is anybody else's code.
create or replace function bridge.key_columns(tracked bridge.tracked_table)
    returns table (name name, type text, "collation" text, less text, equal text, at_most text, greater text)
    language sql stable rows 2
    set search_path = pg_catalog, pg_temp
    set jit = off
as $$
    with key_column as materialized (
        select c.* from bridge.tracked_columns(tracked) as c where c.use = 'key'
    ), key_index as (
        select i.*
          from pg_index as i
         where i.indrelid = tracked.relation and i.indisunique and i.indisvalid and i.indpred is null
           and i.indexprs is null
           and bridge.index_columns(i) = (select array_agg(c.number order by c.key_position) from key_column as c)
         order by i.indisprimary desc, i.indexrelid
         limit 1
    )
    select c.name, format_type(bridge.base_type(c.type), -1),
           coalesce((select format(' collate %I.%I', n.nspname, l.collname)
                       from pg_collation as l join pg_namespace as n on n.oid = l.collnamespace
                      where l.oid = i.indcollation[c.key_position - 1] and l.oid <> c.collation), ''),
           o.named ->> '1', o.named ->> '3', o.named ->> '2', o.named ->> '5'
      from key_index as i
     cross join key_column as c
     cross join lateral (
        select jsonb_object_agg(a.amopstrategy, format('operator(%I.%s)', n.nspname, p.oprname)) as named
          from pg_opclass as k
          join pg_amop as a on a.amopfamily = k.opcfamily and a.amoplefttype = k.opcintype
                           and a.amoprighttype = k.opcintype and a.amoppurpose = 's'
          join pg_operator as p on p.oid = a.amopopr
          join pg_namespace as n on n.oid = p.oprnamespace
         where k.oid = coalesce((
            select d.oid    -- of a key WITHOUT OVERLAPS (Postgres 18) the index knows no order: its type's own
              from pg_class as x
              join pg_opclass as g on g.oid = i.indclass[c.key_position - 1]
              join pg_am as m on m.amname = 'btree'
              join pg_opclass as d on d.opcmethod = m.oid and d.opcdefault and d.opcintype = g.opcintype
             where x.oid = i.indexrelid and x.relam <> m.oid
            ), i.indclass[c.key_position - 1])
     ) as o
     order by c.key_position
$$;

revoke execute on function bridge.key_columns(bridge.tracked_table) from public;
