-- Until it is finished, its outcome says that it was not.
update bridge.policy
   set started_at = clock_timestamp(), outcome = 'error', detail = 'it has not come to its end', failures = failures + 1
 where job = %(job)s
