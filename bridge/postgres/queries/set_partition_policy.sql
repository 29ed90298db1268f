select bridge.qualified_name((p).parent) as parent, (p).control, (p).step, (p).premake,
       (p).keep_for::text as keep_for, (p).expiry, (p).location, (p).format
  from (select bridge.set_partition_policy(%(table)s::oid::regclass, %(by)s, %(every)s, %(ahead)s,
                                           %(keep_for)s::interval, %(expiry)s, %(location)s,
                                           %(format)s) as p offset 0) as s
