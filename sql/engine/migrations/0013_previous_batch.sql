-- The id of the batch before the last one: a control record in Kafka that is one behind the ledger must carry it, or
-- it is another history's.
alter table bridge.shard add column previous_id uuid;
alter table bridge.retired_shard add column previous_id uuid;  -- the same columns
