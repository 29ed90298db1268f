select bridge.planning_runs_code(%(table)s::oid::regclass)
