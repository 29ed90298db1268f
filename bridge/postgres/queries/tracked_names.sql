select relation, entity_type, columns from bridge.tracked_names()
