"""The real servers for a laptop: Postgres, Kafka and a schema registry, without root, Docker or a system Java."""
