-- For this transaction: names mean what they mean to others in this database, not what our sessions pin.
select set_config('search_path', (select s.reset_val from pg_catalog.pg_settings as s where s.name = 'search_path'), true)
