-- How current each materialised view of bridge.matview_policy is, and how its last refresh went. Null changes_pending:
-- not known, because bridge.matview_policy does not say skip_unchanged, or not all that it reads is tracked.
create or replace view bridge.matview_staleness as
select matview, last_refresh_at, last_outcome, last_error, age, stale_after, is_stale, changes_pending, is_due, timeout
  from bridge.matview_report();
