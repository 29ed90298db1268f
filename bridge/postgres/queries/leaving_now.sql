-- What the next run would take out of a table.
select count(*), min(d.range_from)::date::text, max(d.range_to)::date::text
  from bridge.due_partitions() as d
 where d.parent = %(parent)s::regclass and d.obstacle is null
