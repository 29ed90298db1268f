-- How the partitioned tables stand: until when rows have a partition to go to (null: not even now), and how many rows
-- lie in the default partition because they had none. bridge.ensure_partitions() mends both.
create or replace view bridge.partition_status as
select parent, step, leaves, covered_until, runway, default_rows
  from bridge.partition_report();
