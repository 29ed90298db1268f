-- set_partition_policy: have the keeper make partitions of a table ahead of time and take out old ones, or change that.
--
-- Parameters: parent    a table that is partitioned by a range of one column: a date, a timestamp or a timestamptz
--             control   that column; null: as it was, or found out
--             step      'day' or 'month'; null: as it was
--             premake   how many of them are made ahead; null: as it was, at first 7 days or 3 months
--             keep_for  a partition leaves so long after its end; '0': never; null: as it was, at first never
--             expiry    how: drop, detach, archive (the activity log's) or files; null: as it was, at first drop
--             location  of cold files: a directory, or a URL; null: as it was
--             format    of cold files: avro or parquet; null: as it was, at first avro
-- Returns:    the policy
-- Writes:     bridge.partition_policy
-- Errors:     42809 wrong_object_type, 42703 undefined_column, 22023 invalid_parameter_value, 23514 check_violation for
--             what cannot be; 42501 insufficient_privilege where the table is not its owner's who keeps house; as
--             bridge.lock_for_attaching
--
-- A security definer, because the keeper works with the rights of the schema's owner: what he will be refused is told
-- now, to a superuser, too.
create or replace function bridge.set_partition_policy(
    parent   regclass,
    control  name default null,
    step     text default null,
    premake  integer default null,
    keep_for interval default null,
    expiry   text default null,
    location text default null,
    format   text default null
) returns bridge.partition_policy
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    shape record;
    former bridge.partition_policy;
    policy bridge.partition_policy;
begin
    select c.relkind, p.partstrat, p.partnatts, a.attname, a.atttypid::regtype as type,
           pg_has_role(current_user, c.relowner, 'usage') as is_ours
      into shape
      from pg_class as c
      left join pg_partitioned_table as p on p.partrelid = c.oid
      left join pg_attribute as a on a.attrelid = c.oid and a.attnum = p.partattrs[0] and a.attnum > 0
     where c.oid = set_partition_policy.parent;
    if shape.relkind is distinct from 'p' then
        raise exception '% is not partitioned', set_partition_policy.parent
            using errcode = 'wrong_object_type',
                  hint = 'Postgres cannot partition a table in place: create another one like it with PARTITION BY '
                         'RANGE, attach the old one as a partition for its range, and exchange their names.';
    elsif shape.partstrat <> 'r' or shape.partnatts <> 1
            or shape.type is null or shape.type not in ('date', 'timestamp', 'timestamptz') then
        raise exception '% is not partitioned by a range of one date or time', set_partition_policy.parent
            using errcode = 'wrong_object_type';
    elsif shape.attname <> coalesce(set_partition_policy.control, shape.attname) then
        raise exception '% is partitioned by %, not by %', set_partition_policy.parent, shape.attname,
                        set_partition_policy.control
            using errcode = 'undefined_column';
    elsif not shape.is_ours then
        raise exception '% does not own %, and so could not make partitions of it', current_user,
                        set_partition_policy.parent
            using errcode = 'insufficient_privilege';
    end if;
    if set_partition_policy.keep_for < interval '1 day' and set_partition_policy.keep_for <> interval '0'
            or not isfinite(set_partition_policy.keep_for) then
        raise exception 'rows cannot be kept for %', set_partition_policy.keep_for
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a day at least, with its unit: 90 days, 2 years; or 0, and nothing leaves.';
    elsif set_partition_policy.expiry = 'archive'
            and set_partition_policy.parent <> 'bridge.activity_log'::regclass then
        raise exception 'only bridge.activity_log has an archive table' using errcode = 'invalid_parameter_value',
            hint = 'Choose drop, detach or files.';
    end if;
    select p.* into former from bridge.partition_policy as p where p.parent = set_partition_policy.parent;
    if former is null and set_partition_policy.step is null then
        raise exception 'whether a partition is of a day or of a month is not given'
            using errcode = 'invalid_parameter_value', hint = 'Add --every day or --every month.';
    end if;
    if coalesce(set_partition_policy.expiry, former.expiry) = 'files'
            and coalesce(set_partition_policy.location, former.location) is null then
        raise exception 'where the cold files are to go is not given'
            using errcode = 'invalid_parameter_value', hint = 'Add --to and a directory or URL.';
    end if;
    perform bridge.lock_for_attaching(set_partition_policy.parent);
    insert into bridge.partition_policy as p (parent, control, step, premake, keep_for, expiry, location, format)
    values (set_partition_policy.parent, shape.attname, coalesce(set_partition_policy.step, former.step),
            coalesce(set_partition_policy.premake, former.premake,
                     case set_partition_policy.step when 'month' then 3 else 7 end),
            nullif(coalesce(set_partition_policy.keep_for, former.keep_for), interval '0'),
            coalesce(set_partition_policy.expiry, former.expiry, 'drop'),
            coalesce(set_partition_policy.location, former.location),
            coalesce(set_partition_policy.format, former.format, 'avro'))
        on conflict (parent) do update
       set control = excluded.control, step = excluded.step, premake = excluded.premake,
           keep_for = excluded.keep_for, expiry = excluded.expiry, location = excluded.location,
           format = excluded.format
    returning p.* into policy;
    return policy;
end $$;

revoke execute on function bridge.set_partition_policy(regclass, name, text, integer, interval, text, text, text)
    from public;
