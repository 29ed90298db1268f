-- ensure_partitions: see to it that rows of today and of the next days (months) have a table partition to go to, and
-- that rows which had none, and so lie in the default partition, get one.
--
-- Parameters: of_parent   one table of bridge.partition_policy; null: all
--             also        moments, beside now and those to come, for which a partition is wanted
-- Returns:    how many partitions were created
-- Writes:     new leaves, default partitions, bridge.finished, bridge.maintenance_log
-- Errors:     none: what cannot be done now (a lock, an error) is recorded and warned of; the next call tries again
--
-- It takes no lock where nothing is missing, but on past partitions, to note that they are finished
-- (bridge.finish_partitions). If two calls meet, the second returns at once. Its locks last until its transaction ends:
-- the keeper, which does the same, has a transaction for each partition (bridge/keeping/partitions.py).
create or replace function bridge.ensure_partitions(
    of_parent regclass default null,
    also      timestamptz[] default '{}'
) returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'               -- bounds are UTC days and months, whatever the session's zone
    set datestyle = 'ISO, YMD'
as $$
declare
    policy bridge.partition_policy;
    gaps tstzrange[];
    gap tstzrange;
    created integer := 0;
    outcome text;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('bridge.ensure_partitions', 0)) then
        return 0;
    end if;
    -- First: it may wait for locks, while those that a new partition takes on the default one would be in readers' way.
    if of_parent is null then
        begin
            perform bridge.finish_partitions();
        exception when others then
            outcome := case when sqlstate in ('55P03', '40P01') then 'busy' else 'error' end;
            insert into bridge.maintenance_log (action, target, outcome, detail)
            values ('finish_partitions', 'bridge.finished', outcome, sqlerrm);
        end;
    end if;
    for policy in select * from bridge.partition_policy as p
                   where of_parent is null or p.parent = of_parent
                   order by not bridge.is_ours(p.parent), p.parent::text loop
        continue when bridge.qualified_name(policy.parent) is null;   -- it was dropped
        begin
            gaps := array(select tstzrange(g.range_from, g.range_to)
                            from bridge.partition_gaps(policy.parent, also) as g);
        exception when others then
            insert into bridge.maintenance_log (action, target, outcome, detail)
            values ('partition_gaps', policy.parent::text, 'error', sqlerrm);
            raise warning 'no partitions of %: %', policy.parent, sqlerrm;
            continue;
        end;
        foreach gap in array gaps loop
            begin
                insert into bridge.maintenance_log (action, target, outcome, detail)
                values ('create_partition', policy.parent::text, 'ok',
                        bridge.create_partition(policy.parent, lower(gap), upper(gap)));
                created := created + 1;
            exception when others then   -- a failure here must stop neither the other tables nor the caller
                outcome := case when sqlstate in ('55P03', '40P01') then 'busy' else 'error' end;
                insert into bridge.maintenance_log (action, target, outcome, detail)
                values ('create_partition', policy.parent::text, outcome,
                        format('[%s, %s): %s', lower(gap), upper(gap), sqlerrm));
                raise warning 'no partition of % for [%, %): %', policy.parent, lower(gap), upper(gap), sqlerrm
                    using hint = 'Rows go to the default partition meanwhile; see bridge.partition_status.';
                exit when outcome = 'busy';
            end;
        end loop;
    end loop;
    return created;
end $$;

revoke execute on function bridge.ensure_partitions(regclass, timestamptz[]) from public;
