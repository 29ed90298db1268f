select bridge.open_tracked(t) from bridge.tracked_table as t join pg_class as c on c.oid = t.relation where t.relation = %(table)s::oid
