-- performed_by: who acts in this transaction.
--
-- Parameters: status   of bridge.actor_status()
-- Returns:    uuid; null unless the status is 'ok' or 'unverified': nobody is blamed on a doubtful setting
-- Writes:     nothing
-- Errors:     none
create or replace function bridge.performed_by(status text) returns uuid
    language sql stable parallel safe
    return case when status in ('ok', 'unverified')
                then coalesce(nullif(current_setting('bridge.actor', true), ''),
                              current_setting('app.current_user_id', true))::uuid end;
