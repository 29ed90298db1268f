-- transaction_floor: a time before which no event of this transaction, or of a later one of this session, was written.
--
-- Returns:    timestamptz
-- Writes:     nothing
-- Errors:     none
--
-- Declared immutable although it is not: it is computed when a statement is planned, which leaves the table partitions
-- of the past out of the plan; a statement locks all that are in its plan. Later transactions begin later, so the plan
-- stays right. A day, because clocks are set back.
create or replace function bridge.transaction_floor() returns timestamptz
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    select least(transaction_timestamp(), clock_timestamp()) - interval '1 day'
$$;

revoke execute on function bridge.transaction_floor() from public;
