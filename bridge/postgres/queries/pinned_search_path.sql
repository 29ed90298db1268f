-- For the rest of this transaction: after usual_search_path.sql, ours again.
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)
