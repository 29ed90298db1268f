-- Where it stays like this, the keeper was killed: that counts as a failure.
update bridge.policy
   set started_at = clock_timestamp(), outcome = 'running', detail = null, failures = failures + 1
 where job = %(job)s
