select nullif(pg_xact_status(%(transaction)s::text::xid8), 'in progress')
