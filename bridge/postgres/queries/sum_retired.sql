select s.rows, s.checksum from bridge.sum_retired(%(id)s) as s
