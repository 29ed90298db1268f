"""Removes each protection in turn, in a copy of the project, and shows which test notices.

`make mutations` runs all, `make mutations ONLY="word"` those whose name contains it. Exit code 1 when a removal is not
noticed: then a test is missing, or the protection protects nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "build", "dist")
MODEL = "tests/model"
SHARDS = "tests/model/test_shards.py"  # what one does to others is seen there soonest
SEEDS = (1, 2, 3)  # for the model, which a rare removal needs more histories to notice
OF_THE_MODEL = {"BRIDGE_TEST_MODEL_SHRINK": "0", "BRIDGE_TEST_MODEL_RUNS": "2000"}
TAKEOVER = "tests/unit/test_takeover.py"


class Mutation(NamedTuple):
    """`old` stands once in `file`; with `new` in its place, `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str = MODEL


COMPATIBILITY = "tests/unit/test_compatibility.py"
TRANSPORT = "tests/unit/test_kafka_transport.py"
MUTATIONS = (
    # The ways to servers: nobody in between listens or answers, and secrets change without a restart
    Mutation(
        "TLS to Postgres: a way that is not protected is taken",
        "bridge/libpq.py",
        "    if trouble is not None:\n",
        "    if False:\n",
        "tests/unit/test_transport.py -k refused",
    ),
    Mutation(
        "TLS to Postgres: environment and services are not looked at",
        "bridge/libpq.py",
        "    found = in_effect(given)\n",
        "    found = dict(given)\n",
        "tests/unit/test_transport.py -k environment",
    ),
    Mutation(
        "TLS to Postgres: what was looked at is not what is used",
        "bridge/libpq.py",
        "    return {**given, **pinned}\n",
        "    return dict(given)\n",
        "tests/unit/test_transport.py -k looked_at",
    ),
    Mutation(
        "TLS to Postgres: a name is believed before its address",
        "bridge/transport.py",
        '        yield address or name or "/"\n',
        '        yield name or address or "/"\n',
        "tests/unit/test_transport.py -k refused",
    ),
    Mutation(
        "TLS to Postgres: of several hosts one that is local is enough",
        "bridge/transport.py",
        "    if mode == VERIFIED or not far:\n",
        "    if mode == VERIFIED or len(far) < len([*hosts(parameters)]):\n",
        "tests/unit/test_transport.py -k refused",
    ),
    Mutation(
        "a changed password is not read again",
        "bridge/postgres/connection.py",
        "        url = latest(settings.url)\n",
        "        url = str(settings.url)\n",
        "tests/unit/test_from_file.py -k gone",
    ),
    Mutation(
        "a relay ends because a file is half written",
        "bridge/postgres/connection.py",
        "        if url == settings.url:\n",
        "        if True:\n",
        "tests/unit/test_from_file.py -k waited_for_and_refused",
    ),
    # Ways that nobody in between can read or answer
    Mutation(
        "a broker's certificate need not be verified",
        "bridge/kafka_transport.py",
        "    if _said(properties, VERIFICATION) in FALSE:\n",
        "    if False:\n",
        TRANSPORT,
    ),
    Mutation(
        "of several brokers only the first must be safe",
        "bridge/kafka_transport.py",
        "for server in servers(bootstrap_servers)), properties",
        "for server in list(servers(bootstrap_servers))[:1]), properties",
        TRANSPORT,
    ),
    Mutation(
        "values count only as they are usually written",
        "bridge/kafka_transport.py",
        ".strip().lower()",
        "",
        TRANSPORT,
    ),
    Mutation(
        "a shell gets what kinit is told",
        "bridge/foreign_code.py",
        "HARMLESS[name].fullmatch(value) is None",
        "False",
        TRANSPORT,
    ),
    Mutation(
        "brokers that others name need no protection",
        "bridge/kafka/cluster.py",
        "(self._settings.kafka, [str(broker.host) for broker in found.brokers.values()])",
        "(self._settings.kafka, [])",
        "tests/failure/test_kafka_tls.py -k wrong_form",
    ),
    Mutation(
        "a login that was replaced is not read again",
        "bridge/kafka/client.py",
        "            found[name] = latest(value)\n",
        "            found[name] = str(value)\n",
        "tests/failure/test_kafka_tls.py -k password",
    ),
    Mutation(
        "a redirect of the registry's is followed",
        "bridge/registry/http.py",
        "verify=identity.tls, timeout=None",
        "verify=identity.tls, timeout=None, follow_redirects=True",
        "tests/integration/test_registry_tls.py -k redirect",
    ),
    Mutation(
        "the registry's name is not verified",
        "bridge/registry/identity.py",
        "            if settings.certificate_file:\n",
        "            context.check_hostname = False\n            if settings.certificate_file:\n",
        "tests/integration/test_registry_tls.py -k wrong_form",
    ),
    # Rights: all events are seen, or none; and nobody may more than is listed
    Mutation(
        "a relay reads what a policy lets it see",
        "bridge/postgres/queries/pin_session.sql",
        "('row_security', 'off')",
        "('row_security', 'on')",
        "tests/integration/test_row_security.py -k refuses",
    ),
    Mutation(
        "publishers may tell of changes that nobody made",
        "sql/engine/functions/10_role_rights.sql",
        "('publisher', 'insert', 'table', 'bridge.', 'event_queue')",
        "('publisher', 'insert', 'table', 'bridge.', 'event_queue entity_events')",
        "tests/sql/test_roles.py -k each_role",
    ),
    Mutation(
        "doctor does not see what a role may become",
        "bridge/postgres/queries/doctor_rights.sql",
        "(x.grantee = 0 or pg_has_role(a.oid, x.grantee, 'member'))",
        "(x.grantee = 0 or pg_has_role(a.oid, x.grantee, 'usage'))",
        "tests/integration/test_doctor.py -k rights",
    ),
    # Schemas: nothing incompatible, nothing half, and no id that is not the registry's
    Mutation(
        "a plan of schemas is applied though one is refused",
        "bridge/cli/schema_apply.py",
        "    if plan.exit_code:\n",
        "    if False:\n",
        "tests/integration/test_schema_commands.py -k all_or_nothing",
    ),
    Mutation(
        "the registry's own check of schemas is not heeded",
        "bridge/admin/schema_plan.py",
        "        if answer is False and not",
        "        if answer is None and not",
        "tests/integration/test_schema_commands.py -k registrys_own",
    ),
    Mutation(
        "a schema is judged without what it uses",
        "bridge/registry/verdict.py",
        '    ours = _parsed(schema.whole, f"{schema.subject}.avsc")\n',
        '    ours = _parsed(schema.document, f"{schema.subject}.avsc")\n',
        "tests/integration/test_registry_references.py -k judged",
    ),
    Mutation(
        "a schema is registered though relays are not to",
        "bridge/registry/client.py",
        "        if not self._settings.register:\n",
        "        if False:\n",
        "tests/integration/test_registry.py -k only_looks_up",
    ),
    Mutation(
        "of several schema files that define a type, one is taken",
        "bridge/encoding/avro/library.py",
        "            case [definer]:\n",
        "            case [definer, *_]:\n",
        "tests/unit/test_schema_files.py -k ambiguous",
    ),
    Mutation(
        "a schema file that another one uses is not read again",
        "bridge/encoding/avro/files.py",
        "    read = [schema.subject, *(used.subject for used in schema.used.values())]\n",
        "    read = [schema.subject]\n",
        "tests/unit/test_schema_files.py -k read_again",
    ),
    Mutation(
        "schemas are published on under ids that are not the registry's any more",
        "bridge/relay/schema_ids.py",
        "        if is_other:\n            self.forget()\n",
        "        pass\n",
        "tests/failure/test_registry_outages.py -k others_now",
    ),
    Mutation(
        "a kept schema id is believed while the registry answers",
        "bridge/relay/schema_ids.py",
        "            if self._unsure and key in self._kept:",
        "            if key in self._kept:",
        "tests/failure/test_registry_outages.py -k others_now",
    ),
    Mutation(
        "without the registry no kept schema id is used",
        "bridge/relay/schema_ids.py",
        "                if key not in self._kept:\n",
        "                if True:\n",
        "tests/failure/test_registry_outages.py -k starts_while",
    ),
    Mutation(
        "pulling a schema overwrites a file that says something else",
        "bridge/admin/schema_pull.py",
        "if self._file(subject).exists() and not force]",
        "if False]",
        "tests/integration/test_schema_commands.py -k overwrites_nothing",
    ),
    # Compatibility of schemas: what consumers could not read, or would read wrong, is seen
    Mutation(
        "a reader's field without a default may be missing",
        "bridge/encoding/avro/compatibility.py",
        "            elif not field.has_default:\n",
        "            elif False:\n",
        f"{COMPATIBILITY} -k missing_default",
    ),
    Mutation(
        "decimals of another scale are compatible",
        "bridge/encoding/avro/compatibility.py",
        "        elif mine.scale != other.scale:\n",
        "        elif False:\n",
        f"{COMPATIBILITY} -k decimal_scale",
    ),
    Mutation(
        "a union's branch is whatever would do",
        "bridge/encoding/avro/nodes.py",
        "        return short | {(branch.kind, branch.name): branch for branch in named}\n",
        "        return short\n",
        f"{COMPATIBILITY} -k full_name_before",
    ),
    Mutation(
        "FORWARD asks what BACKWARD does",
        "bridge/encoding/avro/compatibility.py",
        "            found += problems(other, new, writer_is_new=True)\n",
        "            found += problems(new, other)\n",
        f"{COMPATIBILITY} -k forward",
    ),
    Mutation(
        "a scale does not count for the meaning",
        "bridge/encoding/avro/meaning.py",
        "node.logical.precision, node.logical.scale]",
        "node.logical.precision]",
        "tests/unit/test_meaning.py -k counts",
    ),
    # The page, and what serves it: for no stranger, and at nobody's expense
    Mutation(
        "the page is shown under any host's name",
        "bridge/web/guard.py",
        "        return _is_address(match",
        "        return True or _is_address(match",
        "tests/integration/test_web.py -k stranger",
    ),
    Mutation(
        "whoever asks gets a connection",
        "bridge/web/pages.py",
        "            with turns.one():\n",
        "            if True:\n",
        "tests/integration/test_web.py -k often",
    ),
    Mutation(
        "what was seen before Postgres hung is shown for ever",
        "bridge/web/watcher.py",
        "now - since > SLOW_SECONDS",
        "now - since > 1e9",
        "tests/integration/test_web.py -k hangs",
    ),
    Mutation(
        "a server without free files spins",
        "bridge/telemetry/server.py",
        "if error.errno in FULL",
        "if False",
        "tests/unit/test_http_server.py -k rests",
    ),
    Mutation(
        "doctor waits for a lock as long as that is kept",
        "bridge/postgres/connection.py",
        "    if not is_pooled(conn):\n        limits",
        "    if False:\n        limits",
        "tests/integration/test_wait.py -k locked",
    ),
    # What was known before something changed
    Mutation(
        "a server is away for ever once nobody is left who would notice that it is back",
        "bridge/relay/outages.py",
        "                if not outage.noticed_by:\n",
        "                if False:\n",
        "tests/unit/test_relay_parts.py -k misses",
    ),
    Mutation(
        "what waits in a shard is told for ever after it has left",
        "bridge/relay/carriers.py",
        "                self.healths.pop(shard, None)\n",
        "                pass\n",
        "tests/failure/test_handover.py -k next_owners",
    ),
    Mutation(
        "limits that were doubted while they were read are believed",
        "bridge/encoding/limits.py",
        "            if doubts == self._doubts:\n",
        "            if True:\n",
        "tests/unit/test_equipment.py -k doubts",
    ),
    Mutation(
        "limits that were asked for before others are believed after them",
        "bridge/encoding/limits.py",
        "        if number >= self._known:\n",
        "        if True:\n",
        "tests/unit/test_equipment.py -k two_answers",
    ),
    Mutation(
        "what was retried before a takeover is tried by former limits",
        "bridge/relay/shard_thread.py",
        "        if not is_refreshed:\n",
        "        if False:\n",
        "tests/failure/test_raised_limit.py -k takeover",
    ),
    Mutation(
        "what was retried and is found by a look is tried by former limits",
        "bridge/shard/shard.py",
        "        if free.decisions is not None:\n",
        "        if False:\n",
        "tests/failure/test_raised_limit.py -k look",
    ),
    Mutation(
        "a mended schema file that was read again for another counts as known",
        "bridge/encoding/avro/files.py",
        "schema is not known or any(",
        "any(",
        "tests/unit/test_encoder.py -k mended_file_that_another",
    ),
    Mutation(
        "what a topic was held for long ago is what it is held for now",
        "bridge/shard/holds.py",
        "self._now() >= trial.until",
        "False",
        "tests/unit/test_holds.py -k another_matter",
    ),
    Mutation(
        "another id that an event is told first is nobody else's",
        "bridge/relay/schema_ids.py",
        "        if self._found(key, found):",
        "        if self._found(key, found) and False:",
        "tests/unit/test_schema_ids.py -k told_first",
    ),
    Mutation(
        "what was cut off passes for the whole once more is accepted",
        "bridge/encoding/encoder.py",
        "        if event.cut_at is not None and event.cut_at < self._limits.cut:",
        "        if False:",
        "tests/integration/test_store.py -k cut_off",
    ),
    # Metrics: harmless, bounded, and right
    Mutation(
        "a bug of metrics ends a shard's work",
        "bridge/relay/relay.py",
        "activities, Careful(meter))",
        "activities, meter)",
        "tests/integration/test_metrics.py -k bugs",
    ),
    Mutation(
        "whatever topic a row names has series of its own",
        "bridge/telemetry/metrics.py",
        "topic if topic in self._topics else OTHER",
        "topic",
        "tests/unit/test_metrics.py -k hostile",
    ),
    Mutation(
        "what is late on purpose counts as late",
        "bridge/shard/work.py",
        "change.before.state in ON_PURPOSE\n",
        "not change.before.state\n",
        "tests/unit/test_metrics.py -k outcome",
    ),
    Mutation(
        "an event that waits counts again each time it is parked",
        "bridge/shard/work.py",
        " and (before is None or before.state is not row.state)",
        "",
        "tests/unit/test_metrics.py -k outcome",
    ),
    Mutation(
        "an autoscaler is not told of what committed late",
        "sql/engine/functions/backlog.sql",
        "             where not pg_visible_in_snapshot(xid, s.snapshot)\n",
        "             where false\n",
        "tests/sql/test_backlog.py -k counted",
    ),
    Mutation(
        "an autoscaler is told of events whose topic is held",
        "sql/engine/functions/backlog.sql",
        "       and p.topic <> all (held)\n",
        "",
        "tests/sql/test_backlog.py -k parked",
    ),
    Mutation(
        "liveness kills relays that only wait",
        "deploy/helm/bridge/templates/deployment.yaml",
        "          livenessProbe:\n            httpGet: {path: /livez,",
        "          livenessProbe:\n            httpGet: {path: /healthz,",
        "tests/deploy/test_helm.py -k probe",
    ),
    Mutation(
        "containers keep their capabilities",
        "deploy/helm/bridge/templates/_helpers.tpl",
        "  capabilities: {drop: [ALL]}\n",
        "",
        "tests/deploy/test_helm.py -k restricted",
    ),
    Mutation(
        "a late commit is not in the backlog",
        "bridge/postgres/queries/survey_shards.sql",
        "     where not pg_visible_in_snapshot(xid, s.snapshot)\n",
        "     where false\n",
        "tests/integration/test_survey.py -k right",
    ),
    # Erasure: all of the subject, nothing of others, and nothing that is still to be published
    Mutation(
        "what is still to be published is erased",
        "bridge/admin/erase.py",
        "        if pending := self._pending():\n",
        "        if pending := dict[str, int]():\n",
        "tests/integration/test_erase.py -k still_to_be_published",
    ),
    Mutation(
        "what came between the look and the update is erased",
        "sql/engine/functions/erase_rows.sql",
        "not exists (select from bridge.unread as u where u.id = r.id)",
        "true",
        "tests/integration/test_erase.py -k function_itself",
    ),
    Mutation(
        "an event that was erased is published",
        "bridge/encoding/headers.py",
        "            if name == ERASED:\n",
        "            if False:\n",
        "tests/integration/test_erase.py -k never_published",
    ),
    Mutation(
        "a header says that a row is erased",
        "sql/engine/functions/erased_filter.sql",
        """$sql$ and payload = '{"erased": true}'$sql$""",
        "''",
        "tests/integration/test_erase.py -k given_up",
    ),
    Mutation(
        "cold files that hold the subject stay",
        "bridge/keeping/cold_erasure.py",
        "    for path in held.files:\n        remove(path)\n",
        "",
        "tests/integration/test_erase.py -k written_anew",
    ),
    Mutation(
        "cold files that another erasure has replaced are replaced",
        "bridge/keeping/cold_rewrite.py",
        "            if not self._counts(former, path, files):\n",
        "            if not self._counts(former, path, files) and False:\n",
        "tests/integration/test_erase.py -k same_files",
    ),
    Mutation(
        "what an erasure wrote in vain stays",
        "bridge/keeping/cold_rewrite.py",
        "                remove(written)\n",
        "                pass\n",
        "tests/integration/test_erase.py -k same_files",
    ),
    Mutation(
        "what was read before it was erased is written to a cold file",
        "bridge/postgres/queries/note_cold_file.sql",
        " and p.changed_at = %(as_of)s::timestamptz",
        "",
        "tests/integration/test_erase.py -k before_its_cold",
    ),
    Mutation(
        "a cold file that was written in vain stays",
        "bridge/keeping/cold_files.py",
        "        remove(file.path)",
        "        pass",
        "tests/integration/test_erase.py -k before_its_cold",
    ),
    Mutation(
        "what was read before it was erased is exported",
        "bridge/admin/export.py",
        "    if _erased(conn, table) != erased:",
        "    if False:",
        "tests/integration/test_erase.py -k before_its_export",
    ),
    Mutation(
        "an erased state is compared with the row",
        "bridge/postgres/queries/verify_capture.sql",
        "                when l.is_erased then 'erased'\n",
        "",
        "tests/integration/test_erase.py -k not_judged",
    ),
    Mutation(
        "records that are gone with a tombstone are lost",
        "bridge/admin/verify_missing.py",
        "    _excuse_erased(conn, audit)\n",
        "",
        "tests/integration/test_verify_retention.py -k erased",
    ),
    Mutation(
        "the letter of a death while the topics are read is a copy",
        "bridge/admin/verify.py",
        """        audit.executemany(query("verify_died"), ((deaths, id.encode()) for id, deaths in died))\n""",
        "        died.close()\n",
        "tests/integration/test_verify.py -k dies_again",
    ),
    Mutation(
        "a death of which it is not settled that it was published is a copy",
        "bridge/postgres/queries/verify_deaths.sql",
        "c.state = 'dead'",
        "false",
        "tests/integration/test_verify.py -k dies_again",
    ),
    Mutation(
        "a retried event that held nothing up is out of order",
        "bridge/admin/verify_scope.py",
        "if OnDead.SKIP in (route.on_dead, usual)",
        "if False",
        "tests/integration/test_verify.py -k held_nothing",
    ),
    # The receiving side: each effect once, a key's in order, and nothing that one event does stops the others
    Mutation(
        "what the inbox knows is handled again",
        "bridge/consumer/delivery.py",
        "strict=True) if new]",
        "strict=True)]",
        "tests/integration/test_consumer.py -k comes_twice",
    ),
    Mutation(
        "what the inbox knows is handled again after a kill",
        "bridge/consumer/delivery.py",
        "        is_new = self.inbox.receive([each.record for each in wanted])\n",
        "        is_new = [True for each in wanted]\n",
        "tests/failure/test_consumer_killed.py -k many_times",
    ),
    Mutation(
        "offsets are committed before the database is",
        "bridge/consumer/loop.py",
        "                self._done(delivery.deliver(records, self.is_ending))\n",
        "                self._done(len(records))\n                delivery.deliver(records, self.is_ending)\n",
        "tests/failure/test_consumer_killed.py -k many_times",
    ),
    Mutation(
        "a database that was restored lacks what Kafka's offsets are behind",
        "bridge/consumer/feed.py",
        " or self._seeks(part, offset):",
        " or True:",
        "tests/failure/test_consumer_outages.py -k restored",
    ),
    Mutation(
        "a partition of which a copy has nothing yet counts as new to its group",
        "bridge/consumer/progress.py",
        "            self._write(new)\n",
        "            pass\n",
        "tests/failure/test_consumer_outages.py -k restored",
    ),
    Mutation(
        "a database is taken for the one that was there before",
        "bridge/consumer/loop.py",
        "                    self.feed.doubt()\n",
        "",
        "tests/failure/test_consumer_outages.py -k lacks_commits",
    ),
    Mutation(
        "what Kafka has removed is passed over in silence",
        "bridge/consumer/feed.py",
        "            if expected < begins <= record.offset:\n",
        "            if False:\n",
        "tests/failure/test_consumer_outages.py -k removed_before",
    ),
    Mutation(
        "what has no id counts as received where its topic is made anew",
        "bridge/consumer/message.py",
        'f"{self.offset} at {self.at}"',
        "str(self.offset)",
        "tests/integration/test_consumer.py -k made_anew",
    ),
    Mutation(
        "a partition that leaves while the consumer waits is paused for ever",
        "bridge/consumer/feed.py",
        "            self._kafka.resume([TopicPartition(*part) for part in gone])",
        "            pass",
        "tests/integration/test_consumer_traps.py -k leaves_while",
    ),
    Mutation(
        "what was read of a transaction that was aborted is handled",
        "bridge/consumer/feed.py",
        '"isolation.level": "read_committed"',
        '"isolation.level": "read_uncommitted"',
        "tests/integration/test_consumer.py -k only_what_committed",
    ),
    Mutation(
        "what comes behind a parked event does not wait",
        "bridge/consumer/delivery.py",
        "        if where in blocked:\n",
        "        if False:\n",
        "tests/integration/test_consumer.py -k poison",
    ),
    Mutation(
        "what comes behind a parked event misses that it is handled",
        "bridge/consumer/queries/blocking.sql",
        "                      limit 1\n                        for share) as first",
        "                      limit 1) as first",
        "tests/integration/test_consumer.py -k miss_each_other",
    ),
    Mutation(
        "what waits is forgotten when what it waited for is handled",
        "bridge/consumer/parked.py",
        '        self._run("unpark", number=parked.number)\n        self._promote(place(parked.record))\n',
        '        self._run("unpark", number=parked.number)\n',
        "tests/integration/test_consumer.py -k keeps_its_place",
    ),
    Mutation(
        "what waits is forgotten when what it waited for is dead",
        "bridge/consumer/parked.py",
        "        if state is State.DEAD:\n",
        "        if False:\n",
        "tests/integration/test_consumer.py -k given_up_by_choice",
    ),
    Mutation(
        "the rest of a batch that was cut counts as received",
        "bridge/consumer/delivery.py",
        "                self._forget(fresh[done:])\n                count",
        "                count",
        "tests/integration/test_consumer.py -k between_two_events",
    ),
    Mutation(
        "a handler may end the transaction and begin another",
        "bridge/consumer/delivery.py",
        "None if ours is None else self.inbox.ended(ours)",
        "None",
        "tests/integration/test_consumer.py -k ends_the_transaction",
    ),
    Mutation(
        "what was received with a handler's own commit is lost when the next one fails",
        "bridge/consumer/delivery.py",
        "            self._forget(fresh[done - 1 :])",
        "            pass",
        "tests/integration/test_consumer_traps.py -k behind_a_commit",
    ),
    Mutation(
        "what costs the connection is nobody's failure",
        "bridge/consumer/loop.py",
        "                    self.blame.settle(delivery)\n",
        "",
        "tests/integration/test_consumer_traps.py -k costs_the_connection",
    ),
    Mutation(
        "a server that was away is its event's failure",
        "bridge/consumer/blame.py",
        "not self._was_away or ",
        "True or ",
        "tests/failure/test_consumer_outages.py -k in_the_middle_of_a_handler",
    ),
    Mutation(
        "a handler may make the server go away for ever",
        "bridge/consumer/blame.py",
        " or self._times >= self._attempts:",
        ":",
        "tests/failure/test_consumer_outages.py -k makes_the_server_go_away",
    ),
    Mutation(
        "text of a database without an encoding equals nothing",
        "bridge/consumer/inbox.py",
        '            "client_encoding": "UTF8",',
        "           ",
        "tests/integration/test_consumer_traps.py -k another_encoding",
    ),
    Mutation(
        "one group forgets what another is to remember",
        "bridge/consumer/queries/clean.sql",
        "r.consumer_group = %(group)s and ",
        "",
        "tests/integration/test_consumer.py -k others_remember",
    ),
    Mutation(
        "while a record is looked for, what is replayed comes first",
        "bridge/shard/shard.py",
        " and not (self._suspicion.is_narrowing and self._has_looked)",
        "",
        "tests/model/test_narrowing.py",
    ),
    Mutation(
        "a transaction that failed in silence counts as committed",
        "bridge/consumer/handlers.py",
        "    if status == TransactionStatus.INERROR:",
        "    if False:",
        "tests/integration/test_consumer.py -k would_lose",
    ),
    Mutation(
        "a handler rolls back its event in silence",
        "bridge/consumer/handlers.py",
        "    except psycopg.Rollback as error:",
        "    except KeyError as error:",
        "tests/integration/test_consumer.py -k would_lose",
    ),
    Mutation(
        "what a handler needs and is away costs attempts",
        "bridge/consumer/loop.py",
        "                elif isinstance(error, Unavailable):\n",
        "                elif False:\n",
        "tests/integration/test_consumer.py -k needs_is_away",
    ),
    Mutation(
        "a tombstone is taken for the event of its id",
        "bridge/consumer/message.py",
        "        elif self.value is None:\n",
        "        elif False:\n",
        "tests/integration/test_consumer.py -k tombstone",
    ),
    # The keeper: what may not leave stays, nobody is refused, one keeper at a time
    Mutation(
        "a partition leaves with its parked events",
        "sql/engine/functions/retirement_obstacle.sql",
        "    return case when parked > 0 then",
        "    return case when parked < 0 then",
        "tests/keeping/test_retention.py -k parked",
    ),
    Mutation(
        "a partition leaves with what a replay parks meanwhile",
        "sql/engine/functions/retire_partition.sql",
        """due.parent);
    if bridge.retirement_obstacle(leaf) is not null then
""",
        """due.parent);
    if false then
""",
        "tests/keeping/test_retention.py -k meanwhile",
    ),
    Mutation(
        "what was given up counts as published once its partition comes back",
        "sql/engine/functions/clean_up.sql",
        "r.state = 'dropped' and r.expiry <> 'files'",
        "r.state <> 'restored'",
        "tests/keeping/test_retention.py -k comes_back",
    ),
    Mutation(
        "a partition leaves with unread events",
        "sql/engine/functions/retirement_obstacle.sql",
        "    if bounds.range_to > (select f.up_to",
        "    if bounds.range_to < (select f.up_to",
        "tests/keeping/test_retention.py -k no_relay_has_read",
    ),
    Mutation(
        "the sequence is read as a table",
        "bridge/postgres/queries/bound.sql",
        "select coalesce(pg_sequence_last_value('bridge.event_seq'), 0)",
        "select case when is_called then last_value else 0 end from bridge.event_seq",
        "tests/integration/test_position.py -k counts_as_drawn_before",
    ),
    Mutation(
        "what a tick's snapshot does not see counts as processed",
        "sql/engine/functions/was_processed_by.sql",
        "and pg_visible_in_snapshot(e.xid, t.snapshot)) is not true",
        ") is not true",
        "tests/keeping/test_retention.py -k came_to_rest",
    ),
    Mutation(
        "the outbox counts from its events' time",
        "sql/engine/functions/due_partitions.sql",
        "       and (p.parent <> 'bridge.outbox'::regclass or bridge.was_processed_by(b.leaf, now() - p.keep_for))\n",
        "",
        "tests/keeping/test_retention.py -k a_week_after",
    ),
    Mutation(
        "the log leaves before it is archived",
        "sql/engine/functions/retirement_obstacle.sql",
        "        return case when has_rows then",
        "        return case when not has_rows then",
        "tests/keeping/test_retention.py -k the_log_leaves",
    ),
    Mutation(
        "only the default partition is locked while strays are moved",
        "sql/engine/functions/create_partition.sql",
        "then 'share update exclusive' else 'access exclusive' end",
        "then 'share update exclusive' else 'share update exclusive' end",
        "tests/keeping/test_partitions.py -k beside_writers",
    ),
    Mutation(
        "a partition of any range is made",
        "sql/engine/functions/create_partition.sql",
        "    if not exists (select from bridge.step_gaps(",
        "    if false and not exists (select from bridge.step_gaps(",
        "tests/keeping/test_partitions.py -k could_not_ask_for",
    ),
    Mutation(
        "rows of a user's table are moved",
        "sql/engine/functions/create_partition.sql",
        "    if default_leaf is not null and bridge.is_ours(parent) then\n        select string_agg",
        "    if default_leaf is not null then\n        select string_agg",
        "tests/keeping/test_partitions.py -k rows_are_not_moved",
    ),
    Mutation(
        "a user's code makes partitions with bridge's rights",
        "sql/engine/functions/lock_for_attaching.sql",
        "    if bridge.is_ours(parent) then",
        "    if true then",
        "tests/keeping/test_partitions.py -k runs_no_code",
    ),
    Mutation(
        "a table is registered that the keeper will refuse",
        "sql/engine/functions/set_partition_policy.sql",
        "    perform bridge.lock_for_attaching(set_partition_policy.parent);\n",
        "",
        "tests/keeping/test_keeper.py -k keeper_would_refuse",
    ),
    Mutation(
        "whoever looks at partitions has a user's code run with bridge's rights",
        "sql/engine/functions/partition_report.sql",
        "if not bridge.is_ours(policy.parent)",
        "if false",
        "tests/keeping/test_partitions.py -k runs_no_code",
    ),
    Mutation(
        "a table that was taken out is counted by a name that may be another's",
        "sql/engine/functions/count_retired.sql",
        "'null' end, pinned)",
        "'null' end, retired.leaf)",
        "tests/keeping/test_swapped.py -k taken_out",
    ),
    Mutation(
        "a table is dropped by what another of its name holds",
        "sql/engine/functions/drop_retired.sql",
        "execute format('select count(*) from %s', pinned)",
        "execute format('select count(*) from %s', retired.leaf)",
        "tests/keeping/test_swapped.py -k taken_out",
    ),
    Mutation(
        "status reads what has the name of a table of bridge's owner",
        "sql/engine/functions/partition_report.sql",
        "or r.rolname <> current_user and not r.rolsuper)",
        "or false)",
        "tests/keeping/test_swapped.py -k status",
    ),
    Mutation(
        "a user's table is read whatever functions that runs",
        "sql/engine/functions/lock_for_reading.sql",
        "    if code is not null then",
        "    if false then",
        "tests/keeping/test_partitions.py -k trouble_stops_no_other",
    ),
    Mutation(
        "a retired table is known by its number alone",
        "sql/engine/functions/lock_retired.sql",
        "                         and bridge.qualified_name(c.oid) = retired.leaf) then",
        "                         and true) then",
        "tests/keeping/test_retention.py -k number_is_anothers",
    ),
    Mutation(
        "a retired table is dropped with what was written to it since",
        "sql/engine/functions/drop_retired.sql",
        "    if held <> retired.rows then",
        "    if held < retired.rows then",
        "tests/keeping/test_retention.py -k written_to_a_retired",
    ),
    Mutation(
        "a partition is taken out in a transaction with one snapshot",
        "sql/engine/functions/require_read_committed.sql",
        "    if current_setting('transaction_isolation') not in",
        "    if false and current_setting('transaction_isolation') not in",
        "tests/keeping/test_retention.py -k one_snapshot",
    ),
    Mutation(
        "a keeper does not look whether another is at work",
        "bridge/postgres/queries/take_keeper.sql",
        " where owner is null or owner = %(owner)s or",
        " where true or owner = %(owner)s or",
        "tests/keeping/test_keeper.py -k one_keeper",
    ),
    Mutation(
        "a busy table is asked for each of its old partitions",
        "bridge/keeping/retention.py",
        " and busy[due.parent] < BUSY_TRIES",
        "",
        "tests/keeping/test_retention.py -k busy_table",
    ),
    Mutation(
        "a dead keeper's lease lasts",
        "bridge/postgres/queries/take_keeper.sql",
        "    or pid <> all (select a.pid from pg_stat_activity as a)\n",
        "",
        "tests/keeping/test_keeper.py -k dead_keepers_lease",
    ),
    # Cold files: nothing is dropped that is not in them
    Mutation(
        "cold files are not read back",
        "bridge/keeping/export.py",
        "    check(coder, file, read(file.path))\n",
        "    pass\n",
        "tests/failure/test_archive_faults.py -k flipped",
    ),
    Mutation(
        "what is in a cold file is not compared with its SHA-256",
        "bridge/keeping/cold_file.py",
        "    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:\n",
        "    if False:\n",
        "tests/failure/test_archive_faults.py -k flipped",
    ),
    Mutation(
        "cold files are not compared with the table",
        "bridge/keeping/cold_files.py",
        "    if held != (manifest.rows, manifest.checksum):\n",
        "    if False:\n",
        "tests/failure/test_archive_faults.py -k late_write_is_noticed",
    ),
    Mutation(
        "a table is dropped without being summed once more",
        "sql/engine/functions/drop_verified.sql",
        "    if (held.rows, held.checksum) is distinct from (retired.rows, retired.checksum) then\n",
        "    if false then\n",
        "tests/failure/test_archive_faults.py -k late_write_is_not_lost",
    ),
    Mutation(
        "a file counts wherever it goes on from",
        "bridge/postgres/queries/note_cold_file.sql",
        """   and %(after_place)s::tid = coalesce((select f.last_place from bridge.cold_file as f
                                         where f.partition = p.id and f.number = %(number)s - 1), '(0,0)')
""",
        "   and %(after_place)s::tid is not null\n",
        "tests/failure/test_archive_faults.py -k begun_anew",
    ),
    Mutation(
        "a table of the name is taken for the one that was detached",
        "sql/engine/functions/find_retired.sql",
        "    elsif bridge.qualified_name(class.oid) <> retired.leaf then\n",
        "    elsif false then\n",
        "tests/failure/test_archive_faults.py -k stops_no_other",
    ),
    # Who may write: lease, generation, batch id
    Mutation(
        "the model's claim is fenced by nothing",
        "tests/model/postgres.py",
        "if (self.ledger.generation, self.ledger.batch_id) != (held.generation, held.batch_id):",
        "if False:",
    ),
    Mutation(
        "the model's claim needs no witness",
        "tests/model/postgres.py",
        "if self.witness != nonce:",
        "if False:",
    ),
    Mutation(
        "a claim needs no witness",
        "bridge/postgres/queries/write_ledger.sql",
        "   and exists (select from bridge.witness as w where w.shard = %(shard)s and w.nonce = %(nonce)s)\n",
        "",
        "tests/failure/test_pgbouncer.py -k hides",
    ),
    Mutation(
        "the SQL of a claim is not fenced by the generation",
        "bridge/postgres/queries/write_ledger.sql",
        "   and generation = %(generation)s\n",
        "",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "the SQL of a claim is not fenced by the batch id",
        "bridge/postgres/queries/write_ledger.sql",
        "   and batch_id is not distinct from %(known_batch_id)s\n",
        "",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "a stopped shard is taken",
        "bridge/postgres/queries/take_shard.sql",
        "       and (stopped is not null) = %(is_stopped)s\n",
        "",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "a sleeper's contradiction stops the shard",
        "tests/model/postgres.py",
        "        if not self._is_held(held):\n            return False\n",
        "",
    ),
    Mutation(
        "a sleeper's contradiction stops the shard, in SQL",
        "bridge/postgres/queries/stop_shard.sql",
        "and owner = %(owner)s and generation = %(generation)s",
        "",
        "tests/integration/test_store.py",
    ),
    # What is known about the last batch: init_transactions, the control record, the producer's rules
    Mutation(
        "init_transactions does not fence",
        "tests/model/kafka.py",
        "        self.epoch += 1\n        self.open = None\n        return",
        "        self.epoch = self.epoch or 1\n        self.open = None\n        return",
    ),
    Mutation(
        "init_transactions does not end the open transaction",
        "tests/model/kafka.py",
        "        self.epoch += 1\n        self.open = None\n        return",
        "        self.epoch += 1\n        return",
    ),
    Mutation(
        "a taker does not wait until it sees its own arrival",
        "tests/model/process.py",
        "if arrival not in seen:",
        "if False:",
    ),
    Mutation(
        "a taker waits for its own arrival for a while only, then takes what it sees",
        "bridge/kafka/control.py",
        "        raise BrokerRefuses(  # for it",
        "        return last\n        raise BrokerRefuses(  # for it",
        "tests/failure/test_outages.py -k hides",
    ),
    Mutation(
        "a taker looks back only a little",
        "bridge/kafka/control.py",
        "if found is not None or start == low:",
        "if True:",
        "tests/integration/test_control.py",
    ),
    Mutation(
        "another bridge's control record is taken for ours",
        "bridge/kafka/control.py",
        "if key == ours:",
        "if True:",
        "tests/integration/test_control.py",
    ),
    Mutation(
        "the last batch is taken for published",
        "bridge/shard/takeover.py",
        "    if (found.batch_no, found.batch_id) == (ours.batch_no, ours.batch_id):\n",
        "    if True:\n",
    ),
    Mutation(
        "the last batch is taken for unpublished",
        "bridge/shard/takeover.py",
        "    if (found.batch_no, found.batch_id) == (ours.batch_no, ours.batch_id):\n"
        "        return LastBatch.PUBLISHED\n",
        "",
    ),
    Mutation(
        "the batch id is not compared",
        "bridge/shard/takeover.py",
        "    if (found.batch_no, found.batch_id) == (ours.batch_no, ours.batch_id):\n",
        "    if found.batch_no == ours.batch_no:\n",
        TAKEOVER,
    ),
    Mutation(
        "a producer that lost a connection goes on (R1)",
        "bridge/kafka/producer.py",
        "        if self._watch.trouble is not None:\n",
        "        if False:\n",
        "tests/failure/test_cluster.py -k sent_twice",
    ),
    Mutation(
        "a failed commit is tried again with the same producer",
        "bridge/shard/shard.py",
        "        self._producer.publish(control, batch.records)\n        self._watch",
        "        try:\n            self._producer.publish(control, batch.records)\n"
        "        except Exception:\n"
        "            self._producer.publish(control, batch.records)\n"
        "        self._watch",
    ),
    # The order of a batch's steps
    Mutation(
        "a new shard's first control record is not committed",
        "bridge/shard/shard.py",
        "            producer.commit(resumption.ledger.control)\n",
        "            pass\n",
    ),
    Mutation(
        "pending events keep numbers that were given twice",
        "bridge/admin/recover.py",
        "            cases = _renumbered(cases)\n",
        "            pass\n",
        "tests/failure/test_numbers.py",
    ),
    Mutation(
        "inserts into the view are written for the former number of shards",
        "sql/engine/functions/set_shard_count.sql",
        "    perform bridge.rewrite_inserts(shards);\n",
        "",
        "tests/integration/test_partitions.py -k waits_for_a_change",
    ),
    Mutation(
        "events of a batch in flight get new numbers, too",
        "sql/engine/functions/repair_numbers.sql",
        "jsonb_to_record(s.in_flight -> 'position')",
        "jsonb_to_record(null)",
        "tests/failure/test_numbers.py -k not_stopped",
    ),
    Mutation(
        "what is written below where reading began anew counts as read",
        "sql/engine/functions/repair_numbers.sql",
        " or u.at > s.all_at and not pg_visible_in_snapshot(u.xid, s.all_snapshot)",
        "",
        "tests/failure/test_numbers.py -k once_more",
    ),
    Mutation(
        "a replay begins while nobody knows which events were published",
        "sql/engine/functions/replay_slice.sql",
        "if bridge.is_set_back() then",
        "if false then",
        "tests/failure/test_numbers.py -k erased",
    ),
    Mutation(
        "new numbers may be those that a batch in flight has passed",
        "sql/engine/functions/highest_seq.sql",
        "(s.in_flight -> 'position' ->> 'cursor')::bigint,",
        "",
        "tests/failure/test_numbers.py -k passed_in_flight",
    ),
    Mutation(
        "a shard goes on with numbers that another shard's events have",
        "bridge/postgres/queries/numbers.sql",
        "          from bridge.shard as s)",
        "          from bridge.shard as s where s.shard = 1)",
        "tests/integration/test_store.py -k given_twice",
    ),
    Mutation(
        "others go on where one shard has found that numbers were given twice",
        "bridge/postgres/queries/stop_shard.sql",
        " or %(renumber)s)",
        ")",
        "tests/integration/test_store.py -k given_twice",
    ),
    Mutation(
        "a shard that is stopped for another reason begins anew at a sequence that was set back",
        "bridge/postgres/queries/stopped_shards.sql",
        "bridge.is_set_back()",
        "false",
        "tests/failure/test_numbers.py -k another_reason",
    ),
    Mutation(
        "changes of one transaction get new numbers in the order of their times",
        "sql/engine/functions/repair_numbers.sql",
        "order by first_at, first_seq, u.seq",
        "order by u.at, u.seq",
        "tests/failure/test_numbers.py -k put_in_order",
    ),
    Mutation(
        "what is unread under a former number is erased",
        "sql/engine/functions/erase_rows.sql",
        "if bridge.is_set_back() then",
        "if false then",
        "tests/failure/test_numbers.py -k erased",
    ),
    Mutation(
        "what is unread under a former number leaves with its partition",
        "sql/engine/functions/finish_partitions.sql",
        "if exists (select from bridge.shard where renumber) then",
        "if false then",
        "tests/failure/test_numbers.py -k erased",
    ),
    Mutation(
        "what was retried and published before a restore is dead again",
        "bridge/postgres/queries/pending_ids.sql",
        "'replayed', 'dead')",
        "'replayed')",
        "tests/failure/test_recover.py -k retried",
    ),
    Mutation(
        "events get new numbers under a relay that has read the former",
        "sql/engine/functions/repair_numbers.sql",
        "generation = generation + 1",
        "generation = generation",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "a recovery commits no control record where there is none",
        "bridge/admin/recover.py",
        "        case.producer.commit(new.control)\n",
        "",
        "tests/failure/test_recover.py -k deleted",
    ),
    Mutation(
        "a former owner's session keeps the row's lock",
        "bridge/postgres/store.py",
        '        self.conn.execute(query("end_stale_sessions"), parameters | name)\n',
        "",
        "tests/failure/test_failpoints.py -k stopped_past_its_lease_at",
    ),
    Mutation(
        "a lease that ends too far ahead holds",
        "bridge/postgres/queries/list_shards.sql",
        "lease_until not between now and latest",
        "lease_until < now",
        "tests/failure/test_clock.py -k dies",
    ),
    Mutation(
        "a record that is too large is tried for ever",
        "bridge/relay/shard_thread.py",
        "        self._limits_are_stale = True\n",
        "        pass\n",
    ),
    Mutation(
        "a time is not asked whether it is text",
        "bridge/encoding/avro/logical.py",
        "if value.__class__ is str and TIME_TEXT(value):",
        "if value[2] == ':' and not value[15:16].isdigit():",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a timestamp may have any shape that datetime reads",
        "bridge/encoding/avro/logical.py",
        "if value.__class__ is str and TIMESTAMP_TEXT(value):",
        "if value.__class__ is str:",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a timestamp may leave the years that readers know",
        "bridge/encoding/avro/logical.py",
        "            if FIRST_MICRO <= micros <= LAST_MICRO:",
        "            if True:",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "microseconds are cut to milliseconds",
        "bridge/encoding/avro/logical.py",
        "    if rest:\n        raise Mismatch(expected)\n    return number",
        "    return number",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a decimal is rounded",
        "bridge/encoding/avro/logical.py",
        "traps=[InvalidOperation, Inexact]",
        "traps=[InvalidOperation]",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a whole number is rounded to a float",
        "bridge/encoding/avro/binary.py",
        "if kind is Decimal or _comes_back(value, form.unpack(data)[0]):",
        "if True:",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "whole numbers that orjson may have rounded are believed",
        "bridge/encoding/avro/binary.py",
        "if -SURE < value < SURE and not",
        "if not",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a number becomes a double, and then a float",
        "bridge/encoding/avro/binary.py",
        "                if is_narrow and _is_between(number) and number != value:",
        "                if False:",
        "tests/unit/test_avro.py -k nearest",
    ),
    Mutation(
        "a double that lies between two floats is believed",
        "bridge/encoding/avro/binary.py",
        " and not (is_narrow and _is_between(value)):",
        ":",
        "tests/unit/test_avro.py -k nearest",
    ),
    Mutation(
        "decimal's own errors come out of the encoder",
        "bridge/encoding/avro/schema.py",
        "except (ValueError, ArithmeticError, RecursionError) as error:",
        "except (ValueError, RecursionError) as error:",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "a default may need itself",
        "bridge/encoding/avro/compiler.py",
        "            if found is None:  # a default is written while the schema is being compiled\n"
        '                raise Mismatch("a value that ends: this one would need itself")\n',
        "            assert found is not None\n",
        "tests/unit/test_avro.py tests/unit/test_any_value.py",
    ),
    Mutation(
        "numbers in headers are rounded",
        "bridge/encoding/headers.py",
        "content = orjson.dumps(verbatim[name])",
        "content = orjson.dumps(value)",
        "tests/unit/test_headers.py",
    ),
    Mutation(
        "a header may be nested deeper than orjson writes",
        "bridge/encoding/headers.py",
        "except (UnicodeEncodeError, orjson.JSONEncodeError) as error:",
        "except UnicodeEncodeError as error:",
        "tests/unit/test_headers.py",
    ),
    Mutation(
        "records that claim much are believed",
        "bridge/encoding/avro/claims.py",
        "if self._left < 0 or level > MAX_DEPTH:",
        "if level > MAX_DEPTH or self._left < -10_000_000:",
        "tests/unit/test_claims.py",
    ),
    Mutation(
        "values may be nested without bound",
        "bridge/encoding/avro/claims.py",
        "if self._left < 0 or level > MAX_DEPTH:",
        "if self._left < 0:",
        "tests/unit/test_claims.py",
    ),
    Mutation(
        "a decimal may have any number of bytes",
        "bridge/encoding/avro/claims.py",
        "                raise _Refused\n            self._skip(size)",
        "                pass\n            self._skip(size)",
        "tests/unit/test_claims.py",
    ),
    Mutation(
        "the log's messages are printed raw",
        "bridge/cli/log_format.py",
        "return printable(super().formatMessage(record))",
        "return super().formatMessage(record)",
        "tests/unit/test_terminal.py",
    ),
    Mutation(
        "the log's JSON tells an exception's message",
        "bridge/cli/log_format.py",
        '"exception": place(error),',
        '"exception": repr(error),',
        "tests/unit/test_log_format.py",
    ),
    Mutation(
        "a batch links to every writer",
        "bridge/shard/work.py",
        "if len(found) == most:",
        "if False:",
        "tests/unit/test_traces.py",
    ),
    Mutation(
        "agents' sessions may write",
        "bridge/admin/read_only.py",
        "default_transaction_read_only=on",
        "default_transaction_read_only=off",
        "tests/integration/test_mcp.py",
    ),
    Mutation(
        "commands print raw",
        "bridge/cli/terminal.py",
        "click.echo(printable(line), err=err)",
        "click.echo(line, err=err)",
        "tests/unit/test_terminal.py",
    ),
    Mutation(
        "a renewal waits for a locked lease, and the others run out",
        "bridge/postgres/queries/renew_leases.sql",
        "       for update skip locked)",
        "       for update)",
        "tests/failure/test_hostile_database.py -k keeps_locked",
    ),
    Mutation(
        "a locked lease is passed over in silence",
        "bridge/postgres/queries/take_shard.sql",
        "       for update)",
        "       for update skip locked)",
        "tests/failure/test_hostile_database.py -k keeps_locked",
    ),
    Mutation(
        "a batch in doubt is tried as it was, for ever",
        "bridge/shard/suspicion.py",
        "if self._doubts >= PATIENCE:",
        "if False:",
        "tests/unit/test_suspicion.py",
    ),
    Mutation(
        "once the bad event is found, the rest of its batch goes one by one",
        "bridge/shard/suspicion.py",
        "        if self._suspects and seqs:\n            self._clear(seqs)\n",
        "        if self._suspects and seqs and seqs[-1] >= self._last:\n            self._suspects = frozenset()\n",
        "tests/unit/test_suspicion.py -k costs_its_batch",
    ),
    Mutation(
        "a part that is tried is read as carefully as after a start",
        "bridge/postgres/reading.py",
        "return min(self._relay.batch_rows, limit or self._rows_at_most)",
        "return min(self._relay.batch_rows, limit or self._rows_at_most, self._rows_at_most)",
        "tests/failure/test_refused_record.py",
    ),
    Mutation(
        "a read fails with a row that Postgres cannot make text of",
        "bridge/postgres/around.py",
        'return code[:2] in ("54", "XX") or code == "22P05"',
        "return False",
        "tests/integration/test_store.py -k text_of",
    ),
    Mutation(
        "a dead letter that does not fit is sent all the same",
        "bridge/encoding/dead_letter.py",
        "    if size(cut) > limit:\n",
        "    if False:\n",
        "tests/unit/test_encoder.py",
    ),
    Mutation(
        "what an application's trigger says is told",
        "bridge/postgres/explained.py",
        'if where.endswith("at RAISE") and "function bridge." not in where:',
        "if False:",
        "tests/failure/test_hostile_database.py -k raises_an_exception",
    ),
    Mutation(
        "tables are printed raw",
        "bridge/cli/terminal.py",
        "return super().render_str(printable(text), **options)",
        "return super().render_str(text, **options)",
        "tests/unit/test_terminal.py",
    ),
    # The last batch
    Mutation(
        "a settled batch may be unpublished",
        "bridge/shard/takeover.py",
        "if ours.in_flight is not None and (found",
        "if (found",
        "tests/unit/test_takeover.py",
    ),
    Mutation(
        "a contradiction does not stop the shard",
        "bridge/shard/takeover.py",
        "if ours.in_flight is not None and (found.batch_no, found.batch_id) == (ours.batch_no - 1, ours.previous_id):",
        "if True:",
    ),
    Mutation(
        "the id of the batch before is not compared",
        "bridge/shard/takeover.py",
        "if ours.in_flight is not None and (found.batch_no, found.batch_id) == (ours.batch_no - 1, ours.previous_id):",
        "if ours.in_flight is not None and found.batch_no == ours.batch_no - 1:",
        "tests/unit/test_takeover.py",
    ),
    # The order of a batch's steps
    Mutation(
        "events are published before the claim",
        "bridge/shard/shard.py",
        '            self._write(new, self._ledger.in_flight, lazily=False)\n            failpoint("claimed")\n',
        "            self._producer.publish(new.control, batch.records)\n"
        "            self._write(new, self._ledger.in_flight, lazily=False)\n"
        "            return\n",
    ),
    Mutation(
        "a batch is settled before it is published",
        "bridge/shard/shard.py",
        '            self._write(new, self._ledger.in_flight, lazily=False)\n            failpoint("claimed")\n',
        '            self._write(new, in_flight, lazily=False)\n            failpoint("claimed")\n',
    ),
    Mutation(
        "what a batch parked is forgotten by the next claim",
        "bridge/shard/shard.py",
        '            self._write(new, self._ledger.in_flight, lazily=False)\n            failpoint("claimed")\n',
        '            self._write(new, None, lazily=False)\n            failpoint("claimed")\n',
    ),
    Mutation(
        "a claim settles its own read",
        "bridge/shard/shard.py",
        "new = self._ledger.claimed(uuid4(), before, in_flight)",
        "new = self._ledger.claimed(uuid4(), in_flight.position, in_flight)",
    ),
    Mutation(
        "a claim may be lost by a crash of Postgres",
        "bridge/shard/shard.py",
        '            self._write(new, self._ledger.in_flight, lazily=False)\n            failpoint("claimed")\n',
        '            self._write(new, self._ledger.in_flight, lazily=True)\n            failpoint("claimed")\n',
    ),
    Mutation(
        "what is settled on its own may be lost behind a pooler",
        "bridge/shard/shard.py",
        "is_lazy = self._settings.relay.delivery is Delivery.AT_LEAST_ONCE",
        "is_lazy = True",
    ),
    # What was read: the position
    Mutation(
        "scans go on from the last event read",
        "bridge/shard/position.py",
        "        seen, cursor = self.position.seen, self.position.cursor\n",
        "        seen, cursor = self.position.seen, self.position.cursor\n"
        "        return Start(self.position, (), (), 2**62, 2**62)\n",
    ),
    Mutation(
        "transactions that began after the last scan are passed",
        "bridge/shard/position.py",
        "return Start(self.position, xids, floors, seen.xmax, self._floor(seen.xmax))",
        "return Start(self.position, xids, floors, 2**62, 2**62)",
    ),
    Mutation(
        "a catch-up takes its own snapshot for the late one",
        "bridge/shard/position.py",
        "return Pair(old.pair.cursor, late.snapshot), None",
        "return Pair(old.pair.cursor, scan.snapshot), None",
    ),
    Mutation(
        "a catch-up that is cut takes its own snapshot",
        "bridge/shard/position.py",
        "return old.pair, Pair(scan.last_seq, late.snapshot)",
        "return old.pair, Pair(scan.last_seq, scan.snapshot)",
    ),
    Mutation(
        "a cut below the cursor forgets the older pair",
        "bridge/shard/position.py",
        "return old.pair, Pair(last, scan.snapshot)",
        "return Pair(last, scan.snapshot), None",
    ),
    Mutation(
        "a cut scan is taken for a whole one",
        "bridge/shard/position.py",
        "        if not scan.cut:\n",
        "        if True:\n",
    ),
    Mutation(
        "scan_from moves past open transactions",
        "bridge/shard/position.py",
        "min(lowest, self._floor(seen.xmin))",
        "lowest",
    ),
    Mutation(
        "scan_from is a newer snapshot's",
        "bridge/shard/position.py",
        "self._floor(seen.xmin))",
        "self._floor(seen.xmax))",
    ),
    Mutation(
        "a floor is one checkpoint too high",
        "bridge/shard/position.py",
        "return self._seqs[max(bisect_left(self._xids, xid) - 1, 0)]",
        "return self._seqs[min(bisect_left(self._xids, xid), len(self._seqs) - 1)]",
    ),
    Mutation(
        "a checkpoint stands above its transaction",
        "bridge/shard/shard.py",
        "self._scanner.claimed(self._scanner.drawn, xid)",
        "self._scanner.claimed(self._scanner.drawn + 1, xid)",
    ),
    Mutation(
        "read events are read again, in SQL",
        "bridge/postgres/queries/read_pending.sql",
        "           from bridge.outbox\n"
        "          where shard = %(shard)s\n"
        "            and created_at >= '-infinity'\n"
        "            and seq > (select start from bounds)\n"
        "            and seq <= (select upto from bounds)\n"
        "            and (seq > %(read_to)s::bigint or not pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))\n",
        "           from bridge.outbox\n"
        "          where shard = %(shard)s\n"
        "            and created_at >= '-infinity'\n"
        "            and seq > (select start from bounds)\n"
        "            and seq <= (select upto from bounds)\n",
        "tests/integration/test_position.py",
    ),
    Mutation(
        "a late scan reads what its snapshot did not see, in SQL",
        "bridge/postgres/queries/read_pending.sql",
        "           from bridge.outbox\n"
        "          where shard = %(shard)s\n"
        "            and created_at >= '-infinity'\n"
        "            and seq > (select start from bounds)\n"
        "            and seq <= (select upto from bounds)\n"
        "            and (seq > %(read_to)s::bigint or not pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))\n"
        "            and pg_visible_in_snapshot(xid, %(late_snapshot)s::pg_snapshot)\n",
        "           from bridge.outbox\n"
        "          where shard = %(shard)s\n"
        "            and created_at >= '-infinity'\n"
        "            and seq > (select start from bounds)\n"
        "            and seq <= (select upto from bounds)\n"
        "            and (seq > %(read_to)s::bigint or not pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot))\n",
        "tests/integration/test_position.py",
    ),
    Mutation(
        "a transaction of another database's is carried",
        "bridge/shard/shard.py",
        "            if obstacle.is_foreign:\n",
        "            if False:\n",
        "tests/failure/test_copied.py",
    ),
    Mutation(
        "a copied database is carried",
        "bridge/shard/shard.py",
        "        if ours.is_copied:",
        "        if False:",
        "tests/failure/test_copied.py",
    ),
    # What was read and not published: parked events
    Mutation(
        "a dead event's key is not blocked in its own batch",
        "bridge/shard/batch.py",
        "blocks=policy is not OnDead.SKIP,",
        "blocks=False,",
        "tests/integration/test_dead.py -k later_events",
    ),
    Mutation(
        "what a batch in flight parks is not laid over the next read",
        "bridge/shard/batch.py",
        "self._parking = Parking(blocked, stops, unsettled)",
        "self._parking = Parking(blocked, stops, ())",
    ),
    Mutation(
        "a topic is stopped only once that is settled",
        "bridge/shard/parked.py",
        "            self._stops[topic] = min(change.seq, self._stops.get(topic, change.seq))\n",
        "            pass\n",
        SHARDS,
    ),
    Mutation(
        "what stops a topic in the database stops nothing that is new",
        "bridge/shard/batch.py",
        "self._parking = Parking(blocked, stops, unsettled)",
        "self._parking = Parking(blocked, {}, unsettled)",
        SHARDS,
    ),
    Mutation(
        "what stops a topic in the database stops nothing that was parked",
        "bridge/postgres/queries/read_parked.sql",
        "                and (select true from bridge.parked as e\n"
        "                      where e.topic = p.topic and e.seq < p.seq and e.stops\n"
        "                      limit 1) is null\n"
        "              order by seq\n",
        "              order by seq\n",
        "tests/integration/test_dead.py -k stops_its_topic",
    ),
    Mutation(
        "what a stopped shard's event holds up in other shards is waited for until all is published",
        "bridge/postgres/queries/count_pending.sql",
        "(d.state = 'dead' or d.shard not in (select shard from carried))",
        "d.state = 'dead'",
        "tests/integration/test_dead.py -k stopped_shard",
    ),
    Mutation(
        "what has stopped a topic since a look does not stop what that released",
        "bridge/shard/parked.py",
        "is_replayed or not self._is_stopped(row.place.topic, row.seq) else",
        "is_replayed or True else",
        SHARDS,
    ),
    Mutation(
        "a topic that goes on in another shard is not noticed",
        "bridge/shard/shard.py",
        "        if any(stops.get(topic, seq + 1) > seq for topic, seq in self._stops.items()):\n",
        "        if False:\n",
        SHARDS,
    ),
    Mutation(
        "what a known wait accounts for is told as standing still",
        "bridge/relay/stills.py",
        "and not holds & waits and",
        "and",
        "tests/unit/test_stills.py",
    ),
    Mutation(
        "what stands still is told before a relay can say what it waits for",
        "bridge/relay/stills.py",
        "            if now - still.noticed > self._patience\n",
        "",
        "tests/unit/test_stills.py",
    ),
    Mutation(
        "a pause counts as standing still",
        "bridge/relay/stills.py",
        "if self._looked is None or now - self._looked > self._bound:",
        "if False:",
        "tests/unit/test_stills.py",
    ),
    Mutation(
        "events that wait because no relay is at work need nobody",
        "bridge/admin/status.py",
        " or self._is_deserted\n",
        "\n",
        "tests/failure/test_shown.py -k nobody",
    ),
    Mutation(
        "a job that takes hours is late",
        "bridge/postgres/queries/jobs.sql",
        " and p.job is distinct from k.job\n",
        "\n",
        "tests/keeping/test_keeper.py -k hours",
    ),
    Mutation(
        "what locks keep from its work for ever needs nobody",
        "bridge/postgres/queries/jobs.sql",
        "p.outcome = 'busy' and",
        "false and",
        "tests/keeping/test_keeper.py -k locks",
    ),
    Mutation(
        "nobody is told what stands still",
        "bridge/relay/relay.py",
        "        found = [*known, *self._vitals.stills.found]\n",
        "        found = known\n",
        "tests/failure/test_shown.py -k shows",
    ),
    Mutation(
        "a topic that goes on in another shard between a look and the read is not noticed",
        "bridge/shard/shard.py",
        "        self._note_stops(free.stops)  # what",
        "        # what",
        SHARDS,
    ),
    Mutation(
        "a look tells what stops topics a moment later",
        "bridge/postgres/reading.py",
        'begin(self._conn, "begin isolation level repeatable read read only")\n            found',
        'begin(self._conn, "begin isolation level read committed read only")\n            found',
        "tests/integration/test_store.py -k stopped_a_topic",
    ),
    Mutation(
        "what waits for the letters' topic does not stop its own",
        "bridge/shard/batch.py",
        "State.WAITING, blocks=True, stops=stops)",
        "State.WAITING, blocks=True)",
        SHARDS,
    ),
    Mutation(
        "the letter of an event without a route tells what its route hid",
        "bridge/encoding/encoder.py",
        "        if route is not None and hide is None:",
        "        if hide is None:",
        "tests/unit/test_encoder.py -k was_removed",
    ),
    Mutation(
        "the route's headers count for nothing",
        "bridge/encoding/encoder.py",
        "HEADERS_BYTES = 2 * MAX_HEADER_BYTES",
        "HEADERS_BYTES = MAX_HEADER_BYTES",
        "tests/unit/test_encoder.py -k headers_may",
    ),
    Mutation(
        "a hidden column is told beside the states",
        "bridge/encoding/fields.py",
        "            change[TOLD_TWICE] = None",
        "            pass",
        "tests/unit/test_encoder.py -k beside",
    ),
    Mutation(
        "a summary names dropped columns",
        "bridge/encoding/fields.py",
        "_summary(change, kept) if is_ours else None",
        "change['change_summary']",
        "tests/unit/test_encoder.py -k summary",
    ),
    Mutation(
        "an event that died again of something else is decided about",
        "sql/engine/functions/decide_dead.sql",
        " and (died_at is null or p.since = w.at)",
        "",
        "tests/integration/test_dead_command.py -k died_again",
    ),
    Mutation(
        "an export ends at a row that cannot be read",
        "bridge/admin/dead_content.py",
        '            found = _read(conn, parameters | {"most": 1}, is_readable=False)',
        "            raise",
        "tests/integration/test_dead_command.py -k cannot_make",
    ),
    Mutation(
        "a topic stays stopped behind an event that was given up",
        "sql/engine/functions/decide_dead.sql",
        "stops = d.stops and decision = 'retried',",
        "stops = d.stops,",
        "tests/integration/test_dead.py -k stops_its_topic",
    ),
    Mutation(
        "parked events in the database block nothing",
        "bridge/shard/batch.py",
        "self._parking = Parking(blocked, stops, unsettled)",
        "self._parking = Parking({}, stops, unsettled)",
    ),
    Mutation(
        "what is stuck is overtaken by what was released",
        "bridge/shard/parked.py",
        "if row.seq in self._in_flight or self._stuck.get(_queue(row), row.seq) < row.seq:",
        "if row.seq in self._in_flight:",
    ),
    Mutation(
        "new events go before released ones",
        "bridge/shard/batch.py",
        "        for event, row in released:\n"
        "            self._take_released(event, row)\n"
        "        self._take_new(events, obstacles)\n",
        "        self._take_new(events, obstacles)\n"
        "        for event, row in released:\n"
        "            self._take_released(event, row)\n",
    ),
    Mutation(
        "a release does not unblock its place",
        "bridge/shard/parked.py",
        "            del self._blocked[change.before.place]\n",
        "            pass\n",
    ),
    Mutation(
        "a held topic's events are tried all the same",
        "bridge/shard/batch.py",
        "if topic in holds.current or parking.new(",
        "if parking.new(",
    ),
    Mutation(
        "a dead event waits for the letters' topic, and blocks nothing",
        "bridge/shard/batch.py",
        "        row = Parked.of(event, topic, State.WAITING, blocks=True, stops=stops)\n"
        "        self._parking.park(row._replace(waits_for=letters), before)",
        "        row = Parked.of(event, topic, State.WAITING, blocks=False, stops=stops)\n"
        "        self._parking.park(row._replace(waits_for=letters), before)",
        "tests/unit/test_batch.py",
    ),
    Mutation(
        "what is in flight is released again",
        "bridge/shard/shard.py",
        "in_flight = [change.seq for change in self._ledger.unsettled]",
        "in_flight: list[int] = []",
    ),
    Mutation(
        "nobody looks again behind a batch in flight",
        "bridge/shard/releases.py",
        "        if found or is_blind:\n",
        "        if False:\n",
    ),
    Mutation(
        "a decision is not noticed",
        "bridge/shard/shard.py",
        "        if decisions > self._decisions:",
        "        if False:",
    ),
    Mutation(
        "held topics' events are not looked for again",
        "bridge/shard/shard.py",
        "            self._releases.expect()\n        settled_no",
        "            pass\n        settled_no",
    ),
    Mutation(
        "events that come due are not looked for",
        "bridge/shard/shard.py",
        "            self._releases.looked(*told, is_full=free.is_full, due_in=free.due_in)",
        "            self._releases.looked(*told, is_full=free.is_full, due_in=None)",
    ),
    Mutation(
        "what nobody tells of is never looked for",
        "bridge/shard/releases.py",
        "        self._due_at = now + min(LOOK_SECONDS, LOOK_SECONDS if due_in is None else due_in)",
        "        self._due_at = now + (1e9 if due_in is None else due_in)",
        "tests/unit/test_releases.py -k without_a_reason",
    ),
    Mutation(
        "a deferred event's time is not asked for",
        "bridge/shard/shard.py",
        "            self._releases.expect_behind(self._ledger.batch_no)  # after",
        "            pass  # after",
    ),
    Mutation(
        "an event above the sequence is no sign that it was set back",
        "bridge/shard/shard.py",
        "        known = max(self._scanner.drawn, read.scan.last_seq or 0)\n",
        "        known = self._scanner.drawn\n",
    ),
    # Reading ahead
    Mutation(
        "what was read ahead is carried with what was released",
        "bridge/shard/shard.py",
        "        if read is None or free.released:",
        "        if read is None:",
    ),
    Mutation(
        "at least once reads ahead of what it has still to park",
        "bridge/shard/shard.py",
        "has_more and not batch.changes",
        "has_more",
    ),
    Mutation(
        "it reads ahead of its claim",
        "bridge/shard/shard.py",
        "            self._write(new, self._ledger.in_flight, lazily=False)\n"
        '            failpoint("claimed")\n'
        "            self._publish(new.control, batch, reads_on=has_more)\n",
        "            early = self._store.reader.read(self._scanner.start(), self._room) if has_more else None\n"
        "            self._write(new, self._ledger.in_flight, lazily=False)\n"
        '            failpoint("claimed")\n'
        "            self._publish(new.control, batch, reads_on=False)\n"
        "            self._ahead = early\n",
    ),
    Mutation(
        "a look forgets what its own step has put off",
        "bridge/shard/shard.py",
        "        if any(change.after is not None and change.after.state is State.DEFERRED",
        "        if not looks and any(change.after is not None and change.after.state is State.DEFERRED",
        "tests/model/test_parking.py",
    ),
    Mutation(
        "parking is not fenced, in SQL",
        "bridge/postgres/queries/park_events.sql",
        " where c.state <> 'published'\n"
        "   and exists (select from bridge.shard\n"
        "                where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)\n",
        " where c.state <> 'published'\n",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "unparking is not fenced, in SQL",
        "bridge/postgres/queries/unpark_events.sql",
        "     where c.state = 'published'\n"
        "       and exists (select from bridge.shard\n"
        "                    where shard = %(shard)s and generation = %(generation)s and batch_id = %(batch_id)s)\n",
        "     where c.state = 'published'\n",
        "tests/integration/test_store.py",
    ),
    Mutation(
        "later events of a dead one are released, in SQL",
        "bridge/postgres/queries/read_parked.sql",
        "where shard = %(shard)s and state in ('waiting', 'retried') and seq <= %(last)s::bigint\n"
        "                and seq not in (select unnest(%(in_flight)s::bigint[]))\n"
        "                and topic <> all (%(held)s::text[])\n"
        "                and (waits_for is null or waits_for <> all (%(held)s::text[]))\n"
        "                and (select true from",
        "where shard = %(shard)s and state in ('waiting', 'retried') and seq <= %(last)s::bigint\n"
        "                and seq not in (select unnest(%(in_flight)s::bigint[]))\n"
        "                and topic <> all (%(held)s::text[])\n"
        "                and (waits_for is null or waits_for <> all (%(held)s::text[]))\n"
        "                and true or false and (select true from",
        "tests/integration/test_dead.py",
    ),
    Mutation(
        "a replayed event that stays is overtaken by its key's next",
        "bridge/shard/parked.py",
        "        if row.blocks or row.state is State.REPLAYED:",
        "        if row.blocks:",
    ),
    Mutation(
        "a replayed event that is parked again is overtaken by its key's next",
        "bridge/shard/parked.py",
        "change.after.state is State.REPLAYED:\n            self.leave(change.after)",
        "change.after.state is State.REPLAYED:\n            pass",
    ),
    Mutation(
        "what was never published is replayed",
        "sql/engine/functions/replay_slice.sql",
        "           and (s.shard is null\n",
        "           and (true\n",
        "tests/integration/test_replay.py -k only_what",
    ),
    Mutation(
        "a replay passes what lies behind a read that was cut off",
        "sql/engine/functions/replay_slice.sql",
        "     where n.seq <= coalesce((select c.at from cut as c), asked.until_seq);",
        "     where true;",
        "tests/integration/test_replay_slice.py",
    ),
    Mutation(
        "a replay parks events by a number of shards that was changed meanwhile",
        "sql/engine/functions/replay_slice.sql",
        "    lock table bridge.shard in row exclusive mode;\n",
        "",
        "tests/integration/test_replay_slice.py -k meanwhile",
    ),
    Mutation(
        "a replay of a key looks for it where it is now alone",
        "sql/engine/functions/replay_slice.sql",
        "            or asked.last_seq < (select max(s.all_to) from bridge.shard as s)\n",
        "",
        "tests/integration/test_replay_slice.py -k another_shard",
    ),
    Mutation(
        "what is being replayed is replayed by another one, too",
        "sql/engine/functions/replay_slice.sql",
        "p.state in ('published', 'refused')",
        "p.state in ('published', 'refused', 'replayed')",
        "tests/integration/test_replay.py -k being_replayed",
    ),
    Mutation(
        "an event that is replayed counts as published twice",
        "bridge/shard/batch.py",
        "of[before.source] -= 1",
        "of[before.source] -= 0",
        "tests/integration/test_replay.py -k all_comes",
    ),
    Mutation(
        "what is replayed keeps new events out",
        "bridge/postgres/queries/read_parked.sql",
        "limit greatest(%(rows)s / 2, 1)",
        "limit %(rows)s",
        "tests/failure/test_replay_killed.py -k new_events",
    ),
    Mutation(
        "a recovery takes an event's first time for its replay",
        "bridge/admin/recover_topics.py",
        "if (id, _text(headers[REPLAYED])) in replays else",
        "if False else",
        "tests/failure/test_recover.py -k replayed",
    ),
    Mutation(
        "parked ones do not block, in SQL",
        "bridge/postgres/queries/read_pending.sql",
        "                 and (select true from",
        "                 and false and (select true from",
        "tests/integration/test_dead.py",
    ),
    # Finished table partitions
    Mutation(
        "a finished partition has no guard",
        "sql/engine/functions/finish_partitions.sql",
        "                perform bridge.guard_partition(part.leaf, part.control);\n",
        "",
        "tests/integration/test_finished.py",
    ),
    Mutation(
        "a partition that is made late has no guard",
        "sql/engine/functions/create_partition.sql",
        "            and range_from < greatest((select up_to from bridge.finished), now() - interval '1 day') then",
        "            and false then",
        "tests/integration/test_finished.py",
    ),
    Mutation(
        "a partition is finished with unread events",
        "sql/engine/functions/finish_partitions.sql",
        "        first_unread := part.range_from;   -- unless it is known better\n",
        "",
        "tests/integration/test_finished.py",
    ),
    Mutation(
        "unread events of a default partition are forgotten",
        "sql/engine/functions/finish_partitions.sql",
        "        if part.is_default or part.range_to",
        "        if not part.is_default and part.range_to",
        "tests/integration/test_finished.py",
    ),
    Mutation(
        "an old snapshot is believed",
        "sql/engine/functions/reopen_partition.sql",
        "        perform from bridge.finished for share;   -- fails where it has changed since the snapshot\n",
        "        null;\n",
        "tests/integration/test_finished.py",
    ),
    Mutation(
        "what reopens a partition meanwhile is overwritten",
        "sql/engine/functions/finish_partitions.sql",
        "    perform from bridge.finished where up_to = known for update skip locked;\n",
        "    perform from bridge.finished for update;\n",
        "tests/integration/test_finished.py -k meanwhile",
    ),
    Mutation(
        "partitions are finished by an old snapshot",
        "sql/engine/functions/finish_partitions.sql",
        "    perform bridge.require_read_committed('partitions cannot be finished');\n",
        "",
        "tests/integration/test_finished.py -k old_snapshot",
    ),
    Mutation(
        "a partition that somebody attached has no guard",
        "sql/engine/functions/finish_partitions.sql",
        "                    or not exists (",
        "                    or false and not exists (",
        "tests/integration/test_finished.py -k by_hand",
    ),
    Mutation(
        "a reader does not notice that a partition was reopened",
        "bridge/postgres/reading.py",
        "        if finished != self._finished.up_to:",
        "        if finished > self._finished.up_to:",
        "tests/integration/test_finished.py",
    ),
    # Reading ahead
    Mutation(
        "a read ahead that fails at once fails the batch that is being published",
        "bridge/postgres/reading.py",
        "        except psycopg.Error:  # the server was faster than we were",
        "        except LookupError:",
        "tests/integration/test_store.py -k read_ahead",
    ),
    Mutation(
        "a read ahead that fails fails the batch that was published",
        "bridge/postgres/reading.py",
        "            except (psycopg.Error, UnicodeDecodeError):\n                self._leave(pipeline)",
        "            except LookupError:\n                self._leave(pipeline)",
        "tests/integration/test_store.py -k read_ahead",
    ),
    Mutation(
        "a pooled session's way to write times is believed",
        "bridge/postgres/finished.py",
        '            begin(conn, "begin read only")',
        '            conn.execute("begin read only")',
        "tests/integration/test_finished.py -k pooled",
    ),
    # Numbers
    Mutation(
        "a sequence that was set back is not noticed",
        "bridge/shard/shard.py",
        "if read.scan.drawn < known or not self._are_numbers_checked:",
        "if not self._are_numbers_checked:",
    ),
    Mutation(
        "a takeover does not look where the sequence stands",
        "bridge/shard/shard.py",
        "        self._are_numbers_checked = False\n",
        "        self._are_numbers_checked = True\n",
        "tests/failure/test_numbers.py -k still_to_be_read",
    ),
    # A recovery
    Mutation(
        "a recovery does not count what Kafka has",
        "bridge/admin/recover_topics.py",
        "                    found.published.add(id)\n",
        "                    pass\n",
        "tests/failure/test_recover.py -k restored",
    ),
    Mutation(
        "a recovery does not wait for open transactions",
        "bridge/admin/recover.py",
        '    while _one(conn, "is_past", xid=xid) != (True,):\n',
        "    while False:\n",
        "tests/failure/test_copied.py -k waits",
    ),
    # Capture
    Mutation(
        "late changes are not put into order",
        "sql/engine/functions/settle_changes.sql",
        "order by not has_ended, is_new, first_recorded, place",
        "order by recorded",
        "tests/capture/test_found.py -k its_own_row",
    ),
    Mutation(
        "a change that is recorded late is taken for the last",
        "sql/engine/functions/capture_template.sql",
        "            if new.xmax <> '0' then\n                perform bridge.check_order({{entity_type}}, {{new_key}});"
        "\n            end if;\n            return null;\n        elsif cardinality",
        "            return null;\n        elsif cardinality",
        "tests/capture/test_capture.py",
    ),
    Mutation(
        "a key that was left is not looked at",
        "sql/engine/functions/check_order.sql",
        "elsif (former.filenode",
        "elsif false and (former.filenode",
        "tests/capture/test_capture.py",
    ),
    Mutation(
        "nobody knows that a row entered a key",
        "sql/engine/functions/capture_template.sql",
        "set_config('bridge.entered', pg_current_xact_id()::text, true)",
        "pg_current_xact_id()::text",
        "tests/capture/test_capture.py",
    ),
    Mutation(
        "an update without an event breaks the chain of versions",
        "sql/engine/functions/version_moved.sql",
        "h set version = new_version",
        "h set version = version",
        "tests/capture/test_capture.py",
    ),
    Mutation(
        "a version is never told to be of this transaction",
        "sql/engine/functions/is_own_version.sql",
        "coalesce('in progress' = pg_xact_status(",
        "coalesce('committed' = pg_xact_status(",
        "tests/capture/test_capture.py",
    ),
    Mutation(
        "a column's name is taken for the row",
        "sql/engine/functions/pin_table.sql",
        "and a.attname = 'r' || n)",
        "and false)",
        "tests/capture/test_found.py -k no_name",
    ),
    Mutation(
        "the former row of a key that changes has the new row's entity_type_id",
        "sql/engine/functions/record_change.sql",
        "case action when 'DELETE' then previous_state else new_state end ->> 'entity_type_id'",
        "coalesce(new_state, previous_state) ->> 'entity_type_id'",
        "tests/capture/test_found.py -k own_rows",
    ),
    Mutation(
        "a row that TRUNCATE removes has no entity_type_id",
        "sql/engine/functions/record_removed.sql",
        "and bridge.base_type(c.type) = 'uuid'::regtype)",
        "and false)",
        "tests/capture/test_found.py -k own_rows",
    ),
    Mutation(
        "json that jsonb cannot hold fails the write",
        "sql/engine/functions/json_value.sql",
        "exception when others then",
        "exception when division_by_zero then",
        "tests/capture/test_found.py -k jsonb_cannot_hold",
    ),
    Mutation(
        "a row that is too large fails the write",
        "sql/engine/functions/read_change.sql",
        "exception when others then",
        "exception when division_by_zero then",
        "tests/capture/test_found.py -k too_long",
    ),
    Mutation(
        "columns are known by their names",
        "sql/engine/functions/10_tracked_columns.sql",
        "select tracked.home = bridge.tracking_home() as is_home",
        "select false as is_home",
        "tests/capture/test_found.py -k followed_by_number",
    ),
    Mutation(
        "an altered table is read as it was",
        "sql/engine/functions/capture_template.sql",
        "if tg_op = 'UPDATE' and {{is_as_known}} then",
        "if tg_op = 'UPDATE' then",
        "tests/capture/test_found.py -k followed_by_number",
    ),
    Mutation(
        "what nobody knows after a restore is shown",
        "sql/engine/functions/10_tracked_columns.sql",
        "case when o.hides and o.bound is null then",
        "case when false then",
        "tests/capture/test_restored.py -k before_the_dump",
    ),
    Mutation(
        "a cast of the table's owner is run",
        "sql/engine/functions/10_is_plain_type.sql",
        "known.oid < 16384 and known.typtype in ('b', 'r', 'm')",
        "true",
        "tests/capture/test_found.py -k cast_to_json",
    ),
    Mutation(
        "a key that is checked at the end is tracked",
        "sql/engine/functions/find_key.sql",
        "and c.contype in ('p', 'u') and c.condeferred",
        "and false",
        "tests/capture/test_found.py -k checked_at_the_end",
    ),
    Mutation(
        "two tables share a name",
        "sql/engine/functions/configure_tracking.sql",
        "else (select n.nspname || '.' || relation.relname",
        "else (select relation.relname",
        "tests/capture/test_found.py -k of_one_name",
    ),
    Mutation(
        "a malformed context fails the write",
        "sql/engine/functions/change_context.sql",
        "exception when others then",
        "exception when division_by_zero then",
        "tests/capture/test_found.py -k malformed",
    ),
    Mutation(
        "any text is a traceparent",
        "sql/engine/functions/trace_headers.sql",
        "between 1 and 200",
        "between 1 and 200000",
        "tests/capture/test_found.py -k traceparent",
    ),
    Mutation(
        "everybody waits behind who tracks a table",
        "sql/engine/functions/execute_briefly.sql",
        "else '200' end",
        "else '20000' end",
        "tests/capture/test_found.py -k busy_table",
    ),
    Mutation(
        "what replication applies is not recorded",
        "sql/engine/functions/enable_triggers.sql",
        "case when tracked.replicated then 'always' else '' end",
        "''",
        "tests/capture/test_found.py -k replication",
    ),
    Mutation(
        "TRUNCATE of all forgets partitions that came later",
        "sql/engine/functions/record_truncate.sql",
        "where a.relation <> of_relation and",
        "where",
        "tests/capture/test_found.py -k attached_later",
    ),
    Mutation(
        "planning runs the owner's functions",
        "sql/engine/functions/record_removed.sql",
        "       or bridge.planned_code(truncated) is not null then",
        "       then",
        "tests/capture/test_rights.py -k planning",
    ),
    Mutation(
        "a trigger function converts the rows of another's table",
        "sql/engine/functions/generate_capture.sql",
        "format('%s = %L and bridge.table_fingerprint(%2$L::regclass)",
        "format('%1$s = %1$s and bridge.table_fingerprint(%2$L::regclass)",
        "tests/capture/test_owner.py -k another_table",
    ),
    Mutation(
        "what is recorded slowly may be another's table",
        "sql/engine/functions/record_row.sql",
        "if not bridge.is_part_of(of_relation, tracked.relation) then",
        "if false then",
        "tests/capture/test_owner.py -k another_table",
    ),
    Mutation(
        "who writes while a lock is waited for is said to be recorded",
        "sql/engine/functions/enable_tracking.sql",
        "case when is_new then 'share row exclusive' else 'access share' end",
        "'access share'",
        "tests/capture/test_found.py -k busy_table",
    ),
    Mutation(
        "the owner of a partitioned table cannot make a table partition",
        "sql/engine/functions/generate_capture.sql",
        "execute (select format('grant execute on function %s to %s', routine, c.relowner::regrole)",
        "execute (select format('revoke execute on function %s from %s', routine, c.relowner::regrole)",
        "tests/capture/test_owner.py -k new_partitions",
    ),
    Mutation(
        "anybody can attach a tracked table's function to a table of his own",
        "sql/engine/functions/generate_capture.sql",
        "'revoke execute on function %s from public'",
        "'grant execute on function %s to public'",
        "tests/capture/test_owner.py -k anothers_function",
    ),
    Mutation(
        "the new owner of a partitioned table cannot make a table partition",
        "sql/engine/functions/follow_table.sql",
        "select c.relowner, false where not has_function_privilege(c.relowner, p.oid, 'execute')",
        "select c.relowner, false where false",
        "tests/capture/test_owner.py -k anothers_function",
    ),
    Mutation(
        "who logged in is taken for who asks",
        "sql/engine/functions/answer_request.sql",
        "pg_has_role(new.asked_by, c.relowner, 'usage')",
        "pg_has_role(session_user, c.relowner, 'usage')",
        "tests/capture/test_owner.py -k whoevers",
    ),
    Mutation(
        "a table is tracked beforehand for who gets it",
        "sql/engine/functions/answer_request.sql",
        "where l.pid = pg_backend_pid() and l.granted",
        "where true or l.granted",
        "tests/capture/test_owner.py -k given_away",
    ),
    Mutation(
        "an older snapshot says who owns a table",
        "sql/engine/functions/answer_request.sql",
        "    perform bridge.require_read_committed('tracking cannot be changed');\n",
        "",
        "tests/capture/test_owner.py -k given_away",
    ),
    Mutation(
        "constraints are looked at with bridge's rights",
        "sql/engine/functions/record_removed.sql",
        "set constraint_exclusion = off",
        "set constraint_exclusion = on",
        "tests/capture/test_rights.py -k constraints",
    ),
    Mutation(
        "columns are those of the transaction's snapshot",
        "sql/engine/functions/10_current_columns.sql",
        "        select c.number, c.name, c.type,",
        "        select c.number, coalesce((select w.attname from pg_attribute as w where w.attrelid = relation"
        " and w.attnum = c.number), c.name), c.type,",
        "tests/capture/test_snapshots.py -k rename",
    ),
    Mutation(
        "a table's name may be a domain's when its types are asked for",
        "sql/engine/functions/10_current_columns.sql",
        "'declare r %s%%rowtype; begin'",
        "'declare r %s; begin'",
        "tests/capture/test_owner.py -k anothers_once",
    ),
    Mutation(
        "settings are those of the transaction's snapshot",
        "sql/engine/functions/record_row.sql",
        "jsonb_populate_record(null::bridge.tracked_table, settings)",
        "(select t from bridge.tracked_table as t where t.id = (settings ->> 'id')::int)",
        "tests/capture/test_snapshots.py -k older_than",
    ),
    Mutation(
        "rows are told by an old snapshot",
        "sql/engine/functions/record_removed.sql",
        "if current_setting('transaction_isolation') not like 'read %'\n       or",
        "if",
        "tests/capture/test_snapshots.py -k truncate",
    ),
    Mutation(
        "a column that is added again is another",
        "sql/engine/functions/10_tracked_columns.sql",
        "k.has_use and not k.is_there",
        "false",
        "tests/capture/test_definitions.py -k added_again",
    ),
    Mutation(
        "a column that was dropped is forgotten",
        "sql/engine/functions/10_tracked_columns.sql",
        "coalesce(tracked.dropped ->> o.name::text,",
        "coalesce(null,",
        "tests/capture/test_definitions.py -k added_again",
    ),
    Mutation(
        "names that were exchanged before a dump are believed",
        "sql/engine/functions/10_tracked_columns.sql",
        "bool_and(o.is_behind) over () as has_order",
        "true as has_order",
        "tests/capture/test_restored.py -k exchanged",
    ),
    Mutation(
        "a generated column shows a masked one",
        "sql/engine/functions/10_tracked_columns.sql",
        "join used as h on h.name = any (u.computed_from)",
        "join used as h on false and h.name = any (u.computed_from)",
        "tests/capture/test_definitions.py -k computed_from",
    ),
    Mutation(
        "the definition does not count what is computed from what",
        "sql/engine/functions/table_fingerprint.sql",
        "c.generated, c.computed_from)",
        "c.generated)",
        "tests/capture/test_definitions.py -k comes_to_refer",
    ),
    Mutation(
        "a key that is null fails the write",
        "sql/engine/functions/key_expression.sql",
        "'coalesce(%s, ''?'')'",
        "'%s'",
        "tests/capture/test_definitions.py -k may_be_null",
    ),
    Mutation(
        "a detached partition is a part of the table",
        "sql/engine/functions/record_truncate.sql",
        "if not bridge.is_part_of(of_relation, tracked.relation) then",
        "if false then",
        "tests/capture/test_definitions.py -k detached",
    ),
    Mutation(
        "who owns bridge is let into a table's schema once its columns were looked for there",
        "sql/engine/functions/enable_tracking.sql",
        "perform bridge.grant_table(tracked);",
        "",
        "tests/capture/test_owner.py -k no_superuser",
    ),
    Mutation(
        "a trigger stays as it was when the key can be deferred",
        "sql/engine/functions/attach_triggers.sql",
        "elsif found_trigger.tgdeferrable <> can_be_deferred then",
        "elsif false then",
        "tests/capture/test_definitions.py -k deferrable_later",
    ),
    Mutation(
        "places in a file that was replaced are believed",
        "sql/engine/functions/settle_changes.sql",
        "t.filenode <> pg_relation_filenode(t.relation)",
        "false",
        "tests/capture/test_definitions.py -k rewritten",
    ),
    Mutation(
        "the application writes behind the trigger of TRUNCATE",
        "sql/engine/functions/attach_triggers.sql",
        'create trigger "~bridge_%s_truncate"',
        'create trigger "!bridge_%s_truncate"',
        "tests/capture/test_definitions.py -k before_truncate",
    ),
    Mutation(
        "the order is looked at with each change",
        "sql/engine/functions/check_order.sql",
        "= newest.replaced) is not true",
        "= newest.replaced) is not null",
        "tests/capture/test_definitions.py -k many_changes",
    ),
    Mutation(
        "a row so old that its number has come round fails the write",
        "sql/engine/functions/is_own_version.sql",
        "exception when invalid_parameter_value then",
        "exception when division_by_zero then",
        "tests/capture/test_definitions.py -k so_old",
    ),
    Mutation(
        "a masked column becomes the key by its name",
        "sql/engine/functions/10_tracked_columns.sql",
        "and n.number <> all (tracked.key || tracked.excluded || tracked.masked)",
        "",
        "tests/capture/test_definitions.py -k keys_name",
    ),
    Mutation(
        "a partition's own expressions are not looked at",
        "sql/engine/functions/10_tracked_columns.sql",
        "where f.name = u.name",
        "where false",
        "tests/capture/test_definitions.py -k computes_otherwise",
    ),
    Mutation(
        "a rewritten table's expressions are believed",
        "sql/engine/functions/10_computed_from.sql",
        "where file.is_new\n",
        "where false\n",
        "tests/capture/test_snapshots.py -k another_expression",
    ),
    Mutation(
        "of a table that another has rewritten, and then this transaction, the expressions are believed",
        "sql/engine/functions/10_computed_from.sql",
        "bool_or(nullif(",
        "bool_and(nullif(",
        "tests/capture/test_sessions.py -k has_exchanged",
    ),
    Mutation(
        "a column that the catalog shows twice counts twice",
        "sql/engine/functions/10_current_columns.sql",
        'select max(w.attgenerated::text)::"char" as generated',
        "select w.attgenerated as generated",
        "tests/capture/test_sessions.py -k two_rows",
    ),
    Mutation(
        "a table that the catalog shows twice is truncated twice",
        "sql/engine/functions/05_member_tables.sql",
        "        union    -- not all",
        "        union all    -- not all",
        "tests/capture/test_sessions.py -k two_rows",
    ),
    Mutation(
        "who writes to a table partition waits for the table",
        "sql/engine/functions/10_current_columns.sql",
        "select * from bridge.locked_partition(relation) union all select relation loop",
        "select relation loop",
        "tests/capture/test_sessions.py -k keeps_for_himself",
    ),
    Mutation(
        "a table partition without a trigger of its own is told by each table above it",
        "sql/engine/functions/record_truncate.sql",
        "select from pg_partition_ancestors(m.relation) as a (relation)    -- and itself",
        "select from (values (m.relation)) as a (relation)",
        "tests/capture/test_found.py -k partition_of_a_partition",
    ),
    Mutation(
        "an alteration while the trigger function is made is not noticed",
        "sql/engine/functions/generate_capture.sql",
        "case when can_be_known then tracked.fingerprint else 'never' end",
        "case when can_be_known then bridge.table_fingerprint(tracked.relation) else 'never' end",
        "tests/capture/test_sessions.py -k altered_while",
    ),
    Mutation(
        "a key's hash depends on its column's collation",
        "sql/engine/functions/column_text.sql",
        "then ' collate pg_catalog.\"default\"' end",
        "then '' end",
        "tests/capture/test_found.py -k finds_others_alike",
    ),
    Mutation(
        "keys without overlaps are compared as their index does",
        "sql/engine/functions/key_columns.sql",
        "and x.relam <> m.oid",
        "and false",
        "tests/capture/test_present_rows.py -k without_overlaps",
    ),
    Mutation(
        "a silent change forgets what was recorded before it",
        "sql/engine/functions/version_moved.sql",
        "coalesce(bridge.latest_version(of_filenode, new_version), new_version)",
        "new_version",
        "tests/capture/test_definitions.py -k moves_silently",
    ),
    Mutation(
        "bytes that are no text stop a shard",
        "bridge/postgres/around.py",
        "    if isinstance(error, UnicodeDecodeError):\n        return True",
        "    if isinstance(error, UnicodeDecodeError):\n        return False",
        "tests/integration/test_store.py -k no_text",
    ),
    Mutation(
        "settings that are not given are forgotten",
        "sql/engine/functions/configure_tracking.sql",
        "where w.step = 2 or w.use = 'masked' and mask is null or w.use = 'excluded' and exclude is null",
        "where w.step = 2",
        "tests/capture/test_definitions.py -k not_given",
    ),
    Mutation(
        "verifying runs functions that a table's owner adds meanwhile",
        "bridge/admin/reading.py",
        "        if code is not None:",
        "        if False:",
        "tests/capture/test_reading.py -k others_are_verified",
    ),
    Mutation(
        "a table of somebody's is exported whatever functions that runs",
        "bridge/admin/export.py",
        "        lock_for_reading(conn, settings, table.oid, table.name)\n",
        "",
        "tests/integration/test_archive.py -k anothers_code",
    ),
    Mutation(
        "partitions are read beside whoever adds functions of his",
        "sql/engine/functions/lock_for_reading.sql",
        "                                                   then '' else 'only' end, relation), 5);",
        "                                                   then 'only' else 'only' end, relation), 5);",
        "tests/capture/test_reading.py -k rows_are_read",
    ),
    Mutation(
        "rows are recorded whosever functions that runs",
        "sql/engine/functions/record_present.sql",
        "    pinned := bridge.open_tracked(tracked);",
        "    pinned := bridge.pin_table(tracked.relation);",
        "tests/capture/test_reading.py -k elses_code",
    ),
    Mutation(
        "what was taken out counts as invented",
        "bridge/admin/verify.py",
        '            audit.execute(query("verify_departed"))\n',
        "",
        "tests/integration/test_verify_retention.py -k no_phantoms",
    ),
    Mutation(
        "a partition that returns while verify reads is not known to have been away",
        "bridge/admin/verify.py",
        '    audit.execute("begin")\n    _note_partitions(conn, audit)\n',
        '    audit.execute("begin")\n',
        "tests/integration/test_verify_retention.py -k leaves_or_comes",
    ),
    Mutation(
        "a key is looked for only where it would go today",
        "bridge/admin/verify_missing.py",
        "range(max(in_use, default=0) + 1, count + 1)",
        "range(count, count + 1)",
        "tests/integration/test_verify_retention.py -k fewer_partitions",
    ),
    Mutation(
        "what was to wait for its time tells when it was published",
        "bridge/postgres/queries/verify_bounds.sql",
        "status = 'PROCESSED' and available_at is null and",
        "status = 'PROCESSED' and",
        "tests/integration/test_verify_retention.py -k waited_tells",
    ),
    Mutation(
        "a partition leaves while tables are compared",
        "bridge/admin/verify_capture.py",
        '        conn.execute(query("verify_capture_lock"))\n',
        "",
        "tests/integration/test_verify_capture.py -k would_leave",
    ),
    Mutation(
        "owners and rights that a restore lost stay lost",
        "sql/engine/functions/refresh_tracking.sql",
        "perform bridge.grant_capture();",
        "null;",
        "tests/capture/test_restored.py -k roles",
    ),
    Mutation(
        "a table that needs a lock each time keeps the others from their turn",
        "sql/engine/functions/refresh_tracking.sql",
        "order by t.locked_at nulls first, t.id",
        "order by t.id",
        "tests/capture/test_busy.py -k each_time",
    ),
    # What materialised views show, and keep
    Mutation(
        "a refresh is skipped though a transaction has committed that it did not see",
        "sql/engine/functions/matview_report.sql",
        "                select from (select pg_snapshot_xip(done.snapshot)\n"
        "                             union all\n"
        "                             select x::text::xid8\n",
        "                select from (select x::text::xid8\n",
        "tests/integration/test_matviews.py -k listed",
    ),
    Mutation(
        "a refresh is skipped though one has committed that its snapshot did not list",
        "sql/engine/functions/matview_report.sql",
        "                                                    done.xid::text::bigint - 1) as x) as unseen (xid)\n",
        "                                                    0) as x) as unseen (xid)\n",
        "tests/integration/test_matviews.py -k commits_after",
    ),
    Mutation(
        "a refresh whose transaction id is older than its number is believed",
        "sql/engine/functions/refresh_matview.sql",
        "if pg_current_xact_id_if_assigned() is null then",
        "if true then",
        "tests/integration/test_matviews.py -k older_id",
    ),
    Mutation(
        "a refresh is skipped though its tables were not tracked then",
        "sql/engine/functions/matview_report.sql",
        " and pg_visible_in_snapshot(s.since_xid, done.snapshot)",
        "",
        "tests/integration/test_matviews.py -k not_known",
    ),
    Mutation(
        "a relay does not look whether it has become too old",
        "bridge/postgres/members.py",
        "                    require_compatible(self.conn)\n",
        "                    pass\n",
        "tests/failure/test_rolling_update.py -k hand_over",
    ),
    Mutation(
        "a relay that is too old takes a shard after the migration",
        "bridge/postgres/queries/take_shard.sql",
        "       and not exists (select from bridge.schema_migration where oldest_program > %(program)s)\n",
        "",
        "tests/integration/test_store.py -k too_old",
    ),
    Mutation(
        "a relay goes on although it has become too old",
        "bridge/reactions.py",
        "    MigrationError: Reaction.END,  # the database is about to become one that this program cannot work with\n",
        "",
        "tests/failure/test_rolling_update.py -k hand_over",
    ),
    Mutation(
        "a migration does not wait for older relays to end",
        "bridge/postgres/compatibility.py",
        "        _await_older(conn, max(script.oldest_program for script in exacting), progress)\n",
        "",
        "tests/failure/test_rolling_update.py -k older_relay_stays",
    ),
    Mutation(
        "who was kept out for what was not applied stays out",
        "bridge/postgres/migrate.py",
        "                    let_in(conn)\n",
        "                    pass\n",
        "tests/failure/test_rolling_update.py -k older_relay_stays",
    ),
    Mutation(
        "a relay that was stopped claims what it had, in a database that it does not know",
        "bridge/postgres/script.py",
        "        return [self.sql, *fence,",
        "        return [self.sql,",
        "tests/failure/test_rolling_update.py -k claims_nothing",
    ),
    Mutation(
        "an older program puts its functions back",
        "bridge/postgres/pending.py",
        "s.layer not in further and (s in changed or s in missing)",
        "(s in changed or s in missing)",
        "tests/integration/test_migrate.py -k can_work_with",
    ),
    Mutation(
        "writers queue behind a migration for as long as it waits",
        "bridge/postgres/queries/migration_session.sql",
        "1500ms",
        "60s",
        "tests/integration/test_migrate.py -k writers_go_on",
    ),
    Mutation(
        "a migration gets half-way before something depends on a view",
        "bridge/postgres/migrate.py",
        "            refuse_dependents(conn, todo)  # or what comes before that file would be applied, and it not\n",
        "",
        "tests/integration/test_matviews.py -k before_anything",
    ),
    Mutation(
        "a migration does not wait for a refresh",
        "sql/engine/functions/create_matview.sql",
        "    perform pg_advisory_xact_lock(hashtextextended('bridge.refresh_views ' || name, 0));\n",
        "",
        "tests/integration/test_matviews.py -k migration_waits",
    ),
    # Typed changes of tracked tables
    Mutation(
        "a typed time is rounded to microseconds",
        "bridge/encoding/straight.py",
        "    read = READ_EXACT if ",
        "    read = READ if ",
        "tests/typed/test_random_rows.py -k straight",
    ),
    Mutation(
        "a typed column is taken for the one before where only == says so",
        "bridge/encoding/straight.py",
        "            if found[number] is not None:",
        "            if True:",
        "tests/typed/test_random_rows.py -k straight",
    ),
    Mutation(
        "a typed decimal has its point anywhere",
        "bridge/encoding/templates.py",
        " if t[-{scale + 1}] == 46 else unusual()",
        "",
        "tests/typed/test_random_rows.py -k straight",
    ),
    Mutation(
        "what stands beside the states is written as if it were of the schema's type",
        "bridge/encoding/usual_change.py",
        "found is None or found.held in (kind, *get_args(kind))",
        "True",
        "tests/typed/test_random_rows.py -k beside",
    ),
    Mutation(
        "a default of one zero byte is taken for null",
        "bridge/encoding/row.py",
        "isinstance(column.schema, list) and column.default == NULL",
        "column.default == NULL",
        "tests/typed/test_random_rows.py -k straight",
    ),
    Mutation(
        "a column that the typed schema does not know is left out",
        "bridge/encoding/row.py",
        '            if bytes(found[name]) != b"null":\n',
        "            if False:\n",
        "tests/typed/test_refused.py -k altered",
    ),
    Mutation(
        "what could not be recorded is published as if it were JSON",
        "bridge/encoding/row.py",
        "    if data.startswith(MISSING):\n",
        "    if False:\n",
        "tests/typed/test_refused.py -k recorded",
    ),
    Mutation(
        "an enum stays one whatever its column has become",
        "bridge/admin/type_evolution.py",
        '        case ("enum", "enum" | "string") if labels:',
        '        case ("enum", _) if labels:',
        "tests/typed/test_generate.py -k type_that_changes",
    ),
    Mutation(
        "a package is called as a class is",
        "bridge/admin/typed_schema.py",
        '    within = f"{name}_"',
        "    within = name",
        "tests/typed/test_generate.py -k classes_of",
    ),
    Mutation(
        "a generated schema forgets a column that is gone",
        "bridge/admin/typed_schema.py",
        "        if column_name not in there:\n",
        "        if False:\n",
        "tests/typed/test_generate.py -k older",
    ),
    Mutation(
        "a field's name may be another's, later",
        "bridge/admin/avro_names.py",
        "    taken = set(names.values())\n",
        "    taken: set[str] = set()\n",
        "tests/typed/test_generate.py -k names_stay",
    ),
    # The rows that a table has already
    Mutation(
        "a snapshot locks the key of a row alone",
        "sql/engine/functions/record_present.sql",
        "for share of v) as p",
        "for key share of v) as p",
        "tests/capture/test_present_rows.py -k higher",
    ),
    Mutation(
        "what was snapshotted may be hidden before it is recorded",
        "sql/engine/functions/record_present.sql",
        "where t.id = tracked_id for share;",
        "where t.id = tracked_id;",
        "tests/capture/test_present_rows.py -k higher",
    ),
)


def mutate(root: Path, mutation: Mutation) -> None:
    """Apply one mutation in place. Raises ValueError when its text does not stand there exactly once."""
    file = root / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.name}: found {text.count(mutation.old)} times in {mutation.file}: {mutation.old}")
    file.write_text(text.replace(mutation.old, mutation.new))


def run(mutation: Mutation) -> tuple[bool, str]:
    """Returns whether the tests noticed, and which one failed how."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "copy"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        mutate(copy, mutation)
        environment = os.environ | OF_THE_MODEL | {"PYTHONPATH": str(copy)}
        for seed in SEEDS if mutation.tests == MODEL else SEEDS[:1]:
            options = ["-x", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
            command = [sys.executable, "-m", "pytest", mutation.tests.split()[0], *_selection(mutation.tests), *options]
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
            if done.returncode:
                break
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.M)
    errors = re.findall(r"^E\s+(?:\| *)?(\S.*)", done.stdout, re.M)
    if done.returncode == 1:
        return True, f"{failed[0] if failed else mutation.tests}: {errors[0][:100] if errors else ''}"
    return False, "" if done.returncode == 0 else done.stdout[-2000:] + done.stderr[-2000:]


def _selection(tests: str) -> list[str]:
    _, _, word = tests.partition(" -k ")
    return ["-k", word, "-m", "not bench and not chaos and not fuzz"] if word else []  # the long ones, too


def main(only: str) -> int:
    survivors = 0
    for mutation in MUTATIONS:
        if only not in mutation.name:
            continue
        began = time.monotonic()
        noticed, how = run(mutation)
        survivors += not noticed
        print(f"{'noticed ' if noticed else 'SURVIVED'} {time.monotonic() - began:5.0f} s  {mutation.name}", flush=True)
        print(f"                   {how}", flush=True)
    print(f"{survivors} removed protections were not noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
