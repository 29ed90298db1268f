-- erase_rows: remove what a table partition holds of a subject, a slice of it. The one exception to "an event never
-- changes": bridge erase.
--
-- Parameters: erasure   of bridge.erasure, not finished; it is written there, in the same transaction
--             leaf      a partition of `parent`, or a table that was one
--             parent    as bridge.erasure_filter has it
--             key       whose hash the erasure has
--             most      at most so many rows
-- Returns:    how many rows; fewer than `most`: no more are left
-- Writes:     these rows; bridge.erasure; bridge.retired_partition and bridge.cold_file, where cold files of the table
--             have been begun: they are to be written anew
-- Errors:     22023 invalid_parameter_value where the erasure is another key's, or finished; 55000
--             object_not_in_prerequisite_state where numbers were given twice; 55P03 lock_not_available after two
--             seconds
--
-- Rows keep what positions, order and comparisons need: id, numbers, transaction, shard, type, key, times. The marker
-- is a header that no writer's record can have (bridge/encoding/headers.py): such an event is never published. What is
-- still to be published is left alone, in the same snapshot: its payload would not fit its schema.
create or replace function bridge.erase_rows(erasure uuid, leaf regclass, parent text, key text, most integer)
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set row_security = off
    set lock_timeout = '2s'
as $$
declare
    certificate bridge.erasure;
    filter text;
    change text;
    erased bigint;
begin
    select e.* into certificate from bridge.erasure as e where e.id = erasure for update;
    if certificate.finished_at is not null
       or certificate.subject is distinct from sha256(convert_to(
              case when certificate.entity_type is null then key else certificate.entity_type || ':' || key end,
              'UTF8')) then
        raise exception 'the erasure % is of another subject, or finished', erasure
            using errcode = 'invalid_parameter_value';
    end if;
    if bridge.is_set_back() then
        raise exception 'the sequence of event numbers was set back, so that nobody knows which events were published'
            using errcode = 'object_not_in_prerequisite_state', hint = 'Run bridge recover first.';
    end if;
    -- Before the table, as who drops it does.
    perform from bridge.retired_partition as r where r.relation = erase_rows.leaf for update;
    filter := bridge.erasure_filter(parent, certificate.entity_type, key);
    filter := format('%s and (%s) is not true', filter, bridge.erased_filter(parent));
    if parent in ('bridge.outbox', 'bridge.history') then
        filter := format('%s and not exists (select from bridge.unread as u where u.id = r.id)'
                         ' and not exists (select from bridge.parked as p'
                         '                  where p.event_id = r.id'
                         '                    and p.state not in (''skipped'', ''published'', ''refused''))',
                         filter);
    end if;
    change := case parent
        when 'bridge.outbox' then $set$payload = '{"erased": true}', headers = $2$set$
        when 'bridge.history' then $set$
            performed_by = null, changed_fields = null, change_summary = 'erased', headers = $2,
            previous_state = case when previous_state is not null then '{"erased": true}'::jsonb end,
            new_state = case when new_state is not null then '{"erased": true}'::jsonb end$set$
        else 'user_id = null, ip_address = null, user_agent = null, device = null, geo = null, meta = $2' end;
    execute format('update only %1$s as r set %2$s'
                   ' where r.ctid = any (array(select r.ctid from only %1$s as r where %3$s limit $1)) and %3$s',
                   leaf, change, filter)
      using most, jsonb_build_object('bridge_erased', erasure);
    get diagnostics erased = row_count;
    if erased > 0 then
        with begun as (
            select r.id from bridge.retired_partition as r
             where r.relation = erase_rows.leaf and r.expiry = 'files'
               and r.state in ('detached', 'exported', 'verified')
        ), forgotten as (
            delete from bridge.cold_file as f using begun as b where f.partition = b.id
        )
        update bridge.retired_partition as r
           set state = 'detached', checksum = null, changed_at = clock_timestamp(), trouble = null,
               location = case when r.state = 'detached' then r.location
                               else regexp_replace(r.location, '(/[^/]*){4}$', '') end
          from begun as b
         where r.id = b.id;
        update bridge.erasure as e
           set places = e.places || jsonb_build_object(bridge.qualified_name(leaf),
                            coalesce((e.places ->> bridge.qualified_name(leaf))::bigint, 0) + erased)
         where e.id = erasure;
    end if;
    return erased;
end $$;

revoke execute on function bridge.erase_rows(uuid, regclass, text, text, integer) from public;
