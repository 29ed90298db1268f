select relation, entity_type as name, is_problem, finding, advice from bridge.tracking_report()
