insert into bridge.maintenance_log (action, target, outcome, detail)
values (%(action)s, %(target)s, %(outcome)s, nullif(%(detail)s, ''))
