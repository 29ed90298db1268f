-- matview_report: how current the materialised views are. Read it through the view bridge.matview_staleness.
--
-- Returns:    a row for each view of bridge.matview_policy, in the order of refreshes
-- Writes:     nothing
-- Errors:     none
--
-- Why changes_pending can be believed: whoever changes a row of a tracked table draws a number from bridge.event_seq,
-- and has a transaction id before that. Each refresh notes the last number, then gets its own transaction id, and reads
-- in a snapshot that is the noted one or a later one. A change that it did not see has a number drawn later, so the
-- sequence has moved on; or an earlier one: then its transaction id is lower than the refresh's, and the noted snapshot
-- does not see it, because it lists it, or has an xmax that is not above it. If it has committed since, there is a
-- change. Tables must have been tracked at the time already.
create or replace function bridge.matview_report()
    returns table (matview text, last_refresh_at timestamptz, last_outcome text, last_error text, age interval,
                   stale_after interval, is_stale boolean, changes_pending boolean, is_due boolean, timeout interval)
    language plpgsql stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    home constant text := bridge.tracking_home();
    last_seq constant bigint := coalesce(pg_sequence_last_value('bridge.event_seq'), 0);
    present constant timestamptz := clock_timestamp();
    policy bridge.matview_policy;
    done bridge.matview_refresh;
    tried bridge.matview_refresh;
begin
    for policy in select * from bridge.matview_policy as p order by p.position, p.matview loop
        select * into done from bridge.matview_refresh as r
         where r.matview = policy.matview and r.error_message is null order by r.id desc limit 1;
        select * into tried from bridge.matview_refresh as r
         where r.matview = policy.matview order by r.id desc limit 1;
        matview := policy.matview;
        last_refresh_at := done.finished_at;
        last_outcome := case when tried.id is null then null when tried.error_message is null then 'refreshed'
                             else 'failed' end;
        last_error := tried.error_message;
        age := case when done.id is not null
                    then greatest(present - greatest(done.started_at, done.confirmed_at), interval '0') end;
        stale_after := coalesce(policy.stale_after, 2 * policy.every);
        timeout := policy.timeout;
        changes_pending := null;
        if policy.skip_unchanged and done.home = home and done.xid is not null
           and (select bool_and(s.is_recorded and pg_visible_in_snapshot(s.since_xid, done.snapshot))
                  from bridge.matview_source as s where s.matview = policy.matview) then
            changes_pending := last_seq <> done.up_to_seq or exists (
                select from (select pg_snapshot_xip(done.snapshot)
                             union all
                             select x::text::xid8
                               from generate_series(pg_snapshot_xmax(done.snapshot)::text::bigint,
                                                    done.xid::text::bigint - 1) as x) as unseen (xid)
                 where coalesce(pg_xact_status(unseen.xid), 'forgotten') not in ('in progress', 'aborted'));
        end if;
        is_stale := policy.enabled and coalesce(age > stale_after, true) and changes_pending is not false;
        is_due := policy.enabled and coalesce(
            not greatest(tried.started_at, done.confirmed_at) between present - policy.every and present, true);
        return next;
    end loop;
end $$;

revoke execute on function bridge.matview_report() from public;
