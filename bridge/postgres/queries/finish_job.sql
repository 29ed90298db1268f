update bridge.policy
   set finished_at = clock_timestamp(), outcome = %(outcome)s, detail = %(detail)s,
       succeeded_at = case when %(outcome)s = 'ok' then clock_timestamp() else succeeded_at end,
       failures = case when %(outcome)s = 'ok' then 0 else failures end
 where job = %(job)s
