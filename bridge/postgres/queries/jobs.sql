-- The keeper's jobs as they stand. keeper_is_at: the job that a keeper is at, if any is at work: its lease counts, or its
-- session lives, for one step may take longer than the lease. is_late: it has been due for longer than an hour, and that
-- is not the job; or locks have kept it from its work for a day.
select p.job, p.enabled, p.started_at, p.finished_at, p.succeeded_at, p.outcome, p.detail, p.failures, d.due_at,
       k.job as keeper_is_at,
       p.enabled and (d.due_at < now() - interval '1 hour' and p.job is distinct from k.job
                      or p.outcome = 'busy' and d.done_at + p.every < now() - interval '1 day') as is_late
  from bridge.policy as p
 cross join lateral (
    select coalesce(bridge.job_due_at(p), m.began) as due_at, coalesce(p.succeeded_at, m.began) as done_at
      from (select min(applied_at) as began from bridge.schema_migration) as m
 ) as d
  left join (
    select running.job
      from bridge.keeper
     cross join (select job from bridge.policy where outcome = 'running' order by started_at desc limit 1) as running
     where owner is not null and (lease_until >= now() or pid = any (select a.pid from pg_stat_activity as a))
 ) as k on true
 order by p.job
