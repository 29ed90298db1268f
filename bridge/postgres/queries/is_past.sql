-- Whether all transactions up to this one have ended.
select pg_snapshot_xmin(pg_current_snapshot()) > %(xid)s::text::xid8
