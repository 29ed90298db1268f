-- The keeper's jobs as they stand; is_late: it has been due for longer than an hour, so nobody keeps house.
select p.job, p.enabled, p.started_at, p.finished_at, p.succeeded_at, p.outcome, p.detail, p.failures, d.due_at,
       p.enabled and d.due_at < now() - interval '1 hour' as is_late
  from bridge.policy as p
 cross join lateral (
    select coalesce(bridge.job_due_at(p),
                    (select min(m.applied_at) from bridge.schema_migration as m)) as due_at
 ) as d
 order by p.job
