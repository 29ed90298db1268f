-- job_due_at: when a job of the keeper is due next. What failed is tried again sooner, with growing pauses.
--
-- Parameters: policy   a row of bridge.policy
-- Returns:    that moment; null where it was never done
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.job_due_at(policy bridge.policy) returns timestamptz
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select policy.started_at
           + case when policy.outcome = 'ok' then policy.every
                  else least(policy.every, interval '15 seconds' * power(2, least(policy.failures, 12))) end
$$;
