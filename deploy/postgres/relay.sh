#!/bin/sh
# The relay's role, when the database is made; the service `grant` of compose.yaml gives it its rights.
set -eu
PGOPTIONS="-c log_statement=none" psql --set ON_ERROR_STOP=1 --username postgres --dbname "$POSTGRES_DB" <<SQL
create role relay login password '$(cat /run/secrets/relay_password)';
SQL
