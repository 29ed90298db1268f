-- For the transaction: no statement of it takes longer.
select set_config('statement_timeout', %(timeout)s, true)
