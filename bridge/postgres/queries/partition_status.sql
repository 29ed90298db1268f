select bridge.qualified_name(s.parent) as parent, s.step, s.leaves, s.covered_until,
       extract(epoch from s.runway)::float8 as runway_seconds,
       s.default_rows, s.timeless_rows
  from bridge.partition_status as s
 order by 1
