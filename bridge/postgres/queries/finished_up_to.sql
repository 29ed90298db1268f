-- Up to when table partitions are finished.
select coalesce((select up_to::text from bridge.finished), '-infinity')
