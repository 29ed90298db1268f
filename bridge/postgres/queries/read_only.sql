-- From here on this transaction, or part of one, writes nothing, whatever code it runs.
select set_config('transaction_read_only', 'on', true)
