-- Why a shard is stopped: its ledger and Kafka contradict each other, and no relay takes it until a person has run
-- `bridge recover`. Null: it may be taken.
alter table bridge.shard add column stopped text;
alter table bridge.retired_shard add column stopped text;  -- the same columns: rows move to and fro
