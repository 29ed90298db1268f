-- actor_status: what is to be thought of the settings that say who acts in this transaction.
--
-- Returns:    text, as in bridge.history.actor_status
-- Writes:     nothing
-- Errors:     none: a write must not fail because its author is missing or malformed
--
-- After SET LOCAL and COMMIT a setting of our own reads as '', not as null; both mean missing. A uuid has four hyphens
-- in their places, and hexadecimal digits: a regular expression would take longer than all the rest. The planner
-- inlines this function and its siblings, because they have no SET clause; their names were resolved when they were
-- created.
create or replace function bridge.actor_status() returns text
    language sql stable parallel safe
    return case when coalesce(nullif(current_setting('bridge.actor', true), ''),
                              nullif(current_setting('app.current_user_id', true), '')) is null then 'missing'
                when coalesce(nullif(current_setting('bridge.actor', true), ''),
                              current_setting('app.current_user_id', true))
                         not like '________-____-____-____-____________'
                  or translate(coalesce(nullif(current_setting('bridge.actor', true), ''),
                                        current_setting('app.current_user_id', true)),
                               '0123456789abcdefABCDEF', '') <> '----' then 'invalid'
                when coalesce(current_setting('bridge.actor', true), '') = ''
                  or coalesce(current_setting('bridge.actor_token', true), '') = '' then 'unverified'
                when current_setting('bridge.actor_token', true) = bridge.actor_token() then 'ok'
                else 'stale' end;
