-- The types of a table's columns, and those that they are made of. `element` is that of an array; `is_plain`: states hold
-- values as JSON does, and else as they print.
with recursive needed as (
    select a.atttypid as oid
      from pg_attribute as a
     where a.attrelid = %(table)s::oid and a.attnum > 0 and not a.attisdropped
    union
    select w.oid
      from needed as n
      join pg_type as y on y.oid = n.oid
     cross join lateral (values (y.typbasetype),
                                (case when y.typsubscript = 'array_subscript_handler'::regproc then y.typelem end)
                        ) as w (oid)
     where w.oid <> 0
)
select y.oid::bigint as oid, y.typname::text as name, y.oid < 16384 as is_built_in, y.typtype = 'd' as is_domain,
       y.typbasetype::bigint as base, y.typtypmod as modifier, y.typndims as dimensions,
       case when y.typsubscript = 'array_subscript_handler'::regproc then y.typelem::bigint else 0 end as element,
       y.typdelim::text as delimiter, bridge.is_plain_type(y.oid) as is_plain,
       array(select e.enumlabel::text from pg_enum as e where e.enumtypid = y.oid order by e.enumsortorder) as labels
  from needed as n
  join pg_type as y on y.oid = n.oid
