-- The jobs that are due, the one that waited longest first.
select p.job
  from bridge.policy as p
 where (%(jobs)s::text[] is null and p.enabled or p.job = any(%(jobs)s::text[]) and (p.enabled or %(at_once)s))
   and (%(at_once)s
        or p.started_at is null
        or p.started_at > clock_timestamp()          -- the clock was set back
        or bridge.job_due_at(p) <= clock_timestamp())
 order by p.started_at nulls first, p.job
