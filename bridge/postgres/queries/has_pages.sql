-- Whether a table, or a table partition of it, takes any room: cheaper than looking for a row, and nobody's code.
select coalesce(sum(pg_relation_size(m.relation)), 0) > 0 from bridge.member_tables(%(table)s::oid::regclass) as m (relation)
