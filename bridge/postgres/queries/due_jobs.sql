-- The jobs that are due, the one that waited longest first. What failed is tried again sooner, with growing pauses.
select p.job
  from bridge.policy as p
 where (%(jobs)s::text[] is null and p.enabled or p.job = any(%(jobs)s::text[]) and (p.enabled or %(at_once)s))
   and (%(at_once)s
        or p.started_at is null
        or p.started_at > clock_timestamp()          -- the clock was set back
        or p.started_at + case when p.outcome = 'ok' then p.every
                               else least(p.every, interval '15 seconds' * power(2, least(p.failures, 12))) end
           <= clock_timestamp())
 order by p.started_at nulls first, p.job
