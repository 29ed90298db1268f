select s.rows, s.checksum from bridge.sum_rows(%(name)s::regclass) as s
