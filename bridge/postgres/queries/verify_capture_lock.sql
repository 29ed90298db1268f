-- Before the snapshot is taken, so that no partition of the history leaves behind it: what is detached is gone for every
-- snapshot, but what bridge.retired_partition says of it is not there for an older one.
lock table only bridge.history in access share mode
