-- read_change: keys, states and changed columns of a changed row, by the table's definition as it is at this moment.
--
-- Parameters: tracked   a row of bridge.tracked_table
--             op        INSERT, UPDATE or DELETE
--             before, after   the row
-- Returns:    one record
-- Writes:     nothing
-- Errors:     none: no write fails because of what its row holds
--
-- What a generated trigger function does at a tenth of the price, and leaves to this where the table has changed since,
-- or a row cannot be converted.
create or replace function bridge.read_change(
    tracked bridge.tracked_table,
    op      text,
    before  record,
    after   record,
    out old_key        text,
    out new_key        text,
    out previous_state jsonb,
    out new_state      jsonb,
    out changed_fields text[]
)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'                -- the same JSON whatever the session's settings are
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set xmloption = content
    set quote_all_identifiers = off     -- of a regclass, say
    set jit = off
as $$
declare
    key constant text := bridge.key_expression(tracked, '($1)');
begin
    if op <> 'INSERT' then
        execute format('select %s', key) into old_key using before;
    end if;
    if op <> 'DELETE' then
        execute format('select %s', key) into new_key using after;
    end if;
    begin
        if op <> 'INSERT' then
            execute format('select %s', bridge.state_expression(tracked, '($1)')) into previous_state using before;
        end if;
        if op <> 'DELETE' then
            execute format('select %s', bridge.state_expression(tracked, '($1)')) into new_state using after;
        end if;
    exception when others then
        previous_state := case when op <> 'INSERT' then bridge.careful_state(tracked, before) end;
        new_state := case when op <> 'DELETE' then bridge.careful_state(tracked, after) end;
    end;
    if op = 'UPDATE' then
        execute format('select %s', bridge.changed_expression(tracked, '($1)', '($2)', '$3', '$4'))
           into changed_fields using before, after, previous_state, new_state;
    end if;
end $$;

revoke execute on function bridge.read_change(bridge.tracked_table, text, record, record) from public;
