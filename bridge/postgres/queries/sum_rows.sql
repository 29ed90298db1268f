select s.rows, s.checksum from bridge.sum_rows(%(relation)s::oid) as s
