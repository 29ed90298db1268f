select number, name, type, is_not_null, kind
  from bridge.cold_columns(%(relation)s::oid)
 order by number
