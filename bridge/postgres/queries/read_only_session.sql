-- For a session that answers questions: it may not write, and nothing that it asks takes long.
select set_config('default_transaction_read_only', 'on', false),
       set_config('statement_timeout', %(seconds)s || 's', false)
