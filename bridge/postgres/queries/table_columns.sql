-- The columns of a table, and what becomes of each where it is tracked; of one that is not, as it would be.
select a.attnum::int as number, a.attname::text as name, a.atttypid::bigint as type, a.atttypmod as modifier,
       a.attndims::int as dimensions, a.attnotnull as is_not_null,
       col_description(a.attrelid, a.attnum) as comment,
       coalesce(u.use, case a.attgenerated when 'v' then 'virtual' else 'plain' end) as use
  from pg_attribute as a
  left join bridge.tracked_table as t on t.relation = a.attrelid
  left join lateral bridge.tracked_columns(t) as u on t.id is not null and u.number = a.attnum
 where a.attrelid = %(table)s::oid
   and a.attnum > 0
   and not a.attisdropped
 order by a.attnum
