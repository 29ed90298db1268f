-- As text, because Python's times end with the year 9999 and know no infinity.
select g.range_from::text, g.range_to::text from bridge.partition_gaps(%(parent)s::oid::regclass) as g
