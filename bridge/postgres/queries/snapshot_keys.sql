-- The keys of some rows of a table, in their order, and whether each row is wanted. Made into SQL by
-- bridge/admin/present_rows.py; without parameters, so that a % is one. The condition is an operator's own, in a line of
-- its own for what it may have at its end.
select {keys} as key, (
{condition}
) is true as is_wanted
  from (select * from {source} as r {range}) as {alias}
