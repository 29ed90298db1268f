"""From event to record: routes, headers, Avro. Reaches no server."""
