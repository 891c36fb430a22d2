//! Every statement, as constants that a test prepares on a freshly migrated database.
//!
//! Hot statements take whole groups as arrays and are one round trip. They are run with `enable_seqscan = off`: a plan
//! that was cached while a table was empty would otherwise scan it whole for ever after.
//!
//! The level is READ COMMITTED throughout: a row that was locked after a wait is looked at again in its newest version
//! (`EvalPlanQual`), so each condition that must hold at the time of the write stands in the very node that locks the
//! row. Locks are taken run first, then account, then credential, and in the order of account ids within a statement,
//! so that no two of these statements wait for each other.

use super::super::rows::{account_columns, credential_columns, installs, left_columns, run_columns, run_view_columns};

/// Makes accounts with all that belongs to them; answers the ids of the runs that did not exist before.
///
/// Runs are inserted in the order of their inbox keys, so that two processes that got the same messages cannot
/// deadlock.
pub(super) const ACCEPT: &str = "WITH input AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[], \
    $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::uuid[], $9::bytea[], $10::uuid[], $11::text[], \
    $12::bytea[], $13::text[], $14::text[], $15::text[], $16::text[], $17::uuid[], $18::uuid[], $19::text[], $20::text[], \
    $21::text[], $22::boolean[], $23::text[], $24::text[], $25::uuid[], $26::bigint[], $27::bigint[], $28::bigint[], \
    $29::bytea[], $30::bigint[], $31::bigint[], $32::bigint[], $33::text[], $34::text[], $35::smallint[]) \
    AS i(run, account, environment, region, cause, from_phase, fair_key, owner, definition, replay_of, message_id, \
    fingerprint, channel, correlation_id, traceparent, tenant, install, integration, name, label, method, sandbox, status, context, \
    latest_run, sequence, created_at, updated_at, sealed, version, expires_at, event, event_type, envelope, shard)), \
    made AS (INSERT INTO runs (id, account_id, environment_id, region, cause, from_phase, state, fair_key, owner, \
    fence, definition, replay_of, message_id, fingerprint, channel, correlation_id, traceparent, claimed_at, inserted_at) \
    SELECT run, account, environment, region, cause, from_phase, \
    CASE WHEN owner IS NULL THEN 'queued' ELSE 'running' END, fair_key, owner, (owner IS NOT NULL)::int, definition, \
    replay_of, message_id, fingerprint, channel, correlation_id, traceparent, CASE WHEN owner IS NOT NULL THEN now_ms() END, now_ms() \
    FROM input ORDER BY environment, message_id, run ON CONFLICT DO NOTHING RETURNING id), \
    new AS MATERIALIZED (SELECT i.* FROM input i JOIN made m ON m.id = i.run), \
    new_accounts AS (INSERT INTO accounts (id, tenant_id, environment_id, environment_integration_id, integration_id, \
    integration_name, integration_label, region, authentication_method, is_sandbox, status, context, latest_run, \
    sequence, created_at, updated_at) SELECT account, tenant, environment, install, integration, name, label, region, \
    method, sandbox, status, context, latest_run, sequence, created_at, updated_at FROM new), \
    new_credentials AS (INSERT INTO credentials (account_id, sealed, version, expires_at) \
    SELECT account, sealed, version, expires_at FROM new), \
    new_events AS (INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) \
    SELECT account, event, event_type, envelope, now_ms() FROM new), \
    new_outbox AS (INSERT INTO outbox (shard, account_id, sequence) SELECT shard, account, event FROM new) \
    SELECT ARRAY(SELECT id FROM made) AS made, \
    CASE WHEN $36::text IS NOT NULL AND EXISTS (SELECT 1 FROM made) THEN pg_notify('tidewaiter', $36)::text END AS told";

/// The runs that stood in the way of an [`ACCEPT`]: by id (an earlier try of the same write) or by message.
pub(super) const FIND_MESSAGES: &str = "SELECT i.run AS asked, r.id, r.account_id, r.fingerprint \
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS i(run, environment, message_id) CROSS JOIN LATERAL \
    (SELECT id, account_id, fingerprint FROM runs WHERE id = i.run UNION ALL \
     SELECT id, account_id, fingerprint FROM runs WHERE environment_id = i.environment AND message_id = i.message_id) r";

/// Writes what workers have to say, each item whole or not at all; answers the runs that were written.
///
/// `held` locks run and account with their conditions; `secrets` is the last condition and at once the write, for
/// items that passed the others; the rest only touches rows that are locked by then. The CASE hides the state from the
/// planner, which would else walk the index of all running runs instead of looking up each by its id.
pub(super) const COMMIT: &str = "WITH input AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::bigint[], \
    $3::uuid[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], \
    $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::text[], $19::bigint[], \
    $20::bytea[], $21::bigint[], $22::bigint[], $23::bigint[], $24::boolean[], $25::smallint[]) \
    AS i(run, fence, account, change, progress, outcome, trace, for_ms, expected_sequence, status, reason, last_error, \
    context, proven_at, updated_at, event, event_type, envelope, expected_version, sealed, expires_at, intent_fence, \
    intent_version, intent_repeated, shard)), \
    held AS MATERIALIZED (SELECT i.* FROM input i JOIN runs r ON r.id = i.run JOIN accounts a ON a.id = i.account \
    WHERE CASE WHEN r.fence = i.fence THEN r.state = 'running' END AND r.account_id = i.account \
    AND (i.expected_sequence IS NULL OR a.sequence = i.expected_sequence) \
    ORDER BY i.account FOR NO KEY UPDATE OF r, a), \
    secrets AS (UPDATE credentials c SET sealed = coalesce(h.sealed, c.sealed), \
    version = c.version + (h.sealed IS NOT NULL)::int, \
    expires_at = CASE WHEN h.sealed IS NULL THEN c.expires_at ELSE h.expires_at END, intent_fence = h.intent_fence, \
    intent_version = h.intent_version, intent_repeated = h.intent_repeated, \
    intent_at = CASE WHEN h.intent_fence IS NOT NULL THEN now_ms() END \
    FROM held h WHERE c.account_id = h.account AND c.version = h.expected_version RETURNING c.account_id), \
    done AS MATERIALIZED (SELECT h.* FROM held h \
    WHERE h.expected_version IS NULL OR h.account IN (SELECT account_id FROM secrets)), \
    new_runs AS (UPDATE runs r SET state = CASE d.change WHEN 'finish' THEN 'finished' WHEN 'wait' THEN 'waiting' \
    WHEN 'put_back' THEN 'waiting' WHEN 'release' THEN 'queued' ELSE r.state END, owner = CASE WHEN d.change = 'save' THEN r.owner END, \
    progress = CASE d.change WHEN 'finish' THEN d.progress ELSE coalesce(d.progress, r.progress) END, \
    outcome = coalesce(d.outcome, r.outcome), trace = coalesce(d.trace, r.trace), \
    due_at = CASE WHEN d.change IN ('wait', 'put_back') THEN now_ms() + d.for_ms END, \
    claimed_at = CASE WHEN d.change <> 'put_back' THEN r.claimed_at END, \
    finished_at = CASE WHEN d.change = 'finish' THEN now_ms() END \
    FROM done d WHERE r.id = d.run AND d.change IS NOT NULL), \
    new_accounts AS (UPDATE accounts a SET status = d.status, reason = d.reason, last_error = d.last_error, \
    context = coalesce(d.context, a.context), proven_at = d.proven_at, sequence = d.event, updated_at = d.updated_at \
    FROM done d WHERE a.id = d.account AND d.expected_sequence IS NOT NULL), \
    new_events AS (INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) \
    SELECT account, event, event_type, envelope, now_ms() FROM done WHERE expected_sequence IS NOT NULL), \
    new_outbox AS (INSERT INTO outbox (shard, account_id, sequence) \
    SELECT shard, account, event FROM done WHERE expected_sequence IS NOT NULL) \
    SELECT ARRAY(SELECT run FROM done) AS done, \
    CASE WHEN $26::text IS NOT NULL \
    AND EXISTS (SELECT 1 FROM done WHERE expected_sequence IS NOT NULL OR change = 'release') \
    THEN pg_notify('tidewaiter', $26)::text END AS told";

/// How things stand for commits that were not written.
pub(super) const STANDS: &str = "SELECT i.run AS asked, r.state, r.fence, a.sequence, c.version, c.sealed, e.envelope \
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS i(run, account, event) JOIN runs r ON r.id = i.run \
    LEFT JOIN accounts a ON a.id = i.account LEFT JOIN credentials c ON c.account_id = i.account \
    LEFT JOIN events e ON e.account_id = i.account AND e.sequence = i.event";

/// The run of an enqueue, `$1` to `$18`; `$18` is the account's sequence. The run comes first: an insertion waits for
/// whoever is just finishing the account's run, and that one must not wait for the account.
macro_rules! enqueued_run {
    () => {
        "WITH new AS (INSERT INTO runs (id, account_id, environment_id, region, cause, \
    from_phase, action, state, fair_key, owner, fence, definition, replay_of, message_id, fingerprint, channel, \
    correlation_id, traceparent, claimed_at, inserted_at, progress) VALUES ($1, $2, $3, $4, $5, $6, $17, \
    CASE WHEN $8::uuid IS NULL THEN 'queued' ELSE 'running' END, $7, $8, ($8 IS NOT NULL)::int, $9, $10, $11, $12, \
    $13, $14, $15, CASE WHEN $8 IS NOT NULL THEN now_ms() END, now_ms(), $16) ON CONFLICT DO NOTHING RETURNING id), "
    };
}

/// What an enqueue answers, after `stands` (the account, if it stands as expected).
macro_rules! enqueued {
    () => {
        "taken AS (UPDATE runs o SET progress = NULL FROM stands WHERE o.id = $10 AND o.progress IS NOT NULL) \
    SELECT EXISTS (SELECT 1 FROM new) AS made, EXISTS (SELECT 1 FROM stands) AS stands, \
    CASE WHEN EXISTS (SELECT 1 FROM stands) THEN pg_notify('tidewaiter', '')::text END AS told"
    };
}

/// Starts a run of an existing account with its transition.
pub(super) const ENQUEUE: &str = concat!(
    enqueued_run!(),
    "stands AS (UPDATE accounts a SET status = $19, reason = $20, last_error = $21, context = coalesce($22, a.context), \
     proven_at = $23, sequence = $24, updated_at = $25, latest_run = new.id \
     FROM new WHERE a.id = $2 AND a.sequence = $18 RETURNING a.id), \
     new_event AS (INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) \
     SELECT id, $24, $26, $27, now_ms() FROM stands), \
     new_outbox AS (INSERT INTO outbox (shard, account_id, sequence) SELECT $28, id, $24 FROM stands), ",
    enqueued!()
);

/// Starts a run beside the status of an existing account, which is locked and left as it is.
pub(super) const ENQUEUE_BESIDE: &str = concat!(
    enqueued_run!(),
    "stands AS MATERIALIZED (SELECT a.id FROM accounts a JOIN new ON true WHERE a.id = $2 AND a.sequence = $18 \
     FOR NO KEY UPDATE OF a), ",
    enqueued!()
);

/// What stood in the way of an [`ENQUEUE`].
pub(super) const ENQUEUE_STANDS: &str = "SELECT EXISTS (SELECT 1 FROM runs WHERE id = $1) AS mine, \
    (SELECT sequence FROM accounts WHERE id = $2) AS sequence";

/// Makes waiting runs due and tells when the next one will be; also whether any run is queued in these regions.
///
/// A volatile function is not an index condition; its value from a sub-select is.
pub(super) const PROMOTE: &str = "WITH t AS MATERIALIZED (SELECT now_ms() AS now), \
    due AS (SELECT id FROM runs WHERE state = 'waiting' AND due_at <= (SELECT now FROM t) \
    ORDER BY due_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED), \
    promoted AS (UPDATE runs r SET state = 'queued', due_at = NULL FROM due WHERE r.id = due.id RETURNING r.id) \
    SELECT n.promoted, CASE WHEN n.promoted = 1000 THEN 0 ELSE (SELECT min(due_at) FROM runs WHERE state = 'waiting' \
    AND due_at > (SELECT now FROM t)) - (SELECT now FROM t) END AS next_due, \
    CASE WHEN n.promoted > 0 THEN pg_notify('tidewaiter', '')::text END AS told, \
    n.promoted > 0 OR EXISTS (SELECT 1 FROM unnest($1::text[]) AS g(region) CROSS JOIN LATERAL \
    (SELECT 1 FROM runs WHERE state = 'queued' AND region = g.region LIMIT 1) q) AS any_queued \
    FROM (SELECT count(*) AS promoted FROM promoted) n";

/// Claims in fair order: a look at the heads of all regions says how many to take from each, so that no more rows are
/// locked than are claimed.
pub(super) const CLAIM: &str = concat!(
    "WITH heads AS (SELECT g.region FROM unnest($2::text[]) AS g(region) CROSS JOIN LATERAL (SELECT fair_key FROM runs \
     WHERE state = 'queued' AND region = g.region ORDER BY fair_key LIMIT $3) q ORDER BY q.fair_key LIMIT $3), \
     due AS MATERIALIZED (SELECT q.id FROM (SELECT region, count(*) AS take FROM heads GROUP BY region) s \
     CROSS JOIN LATERAL (SELECT id FROM runs WHERE state = 'queued' AND region = s.region ORDER BY fair_key \
     LIMIT s.take FOR NO KEY UPDATE SKIP LOCKED) q) \
     UPDATE runs r SET state = 'running', owner = $1, fence = r.fence + 1, claimed_at = coalesce(r.claimed_at, now_ms()) \
     FROM due WHERE r.id = due.id RETURNING ",
    run_columns!(),
    ", r.fair_key, now_ms() - r.claimed_at AS elapsed"
);

/// The accounts and secrets of claimed runs, read after the claim so that they are not older than it.
pub(super) const CLAIMED_ACCOUNTS: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", ",
    credential_columns!(),
    ", now_ms() - c.intent_at AS intent_age FROM unnest($1::uuid[]) AS i(id) JOIN accounts a ON a.id = i.id \
     JOIN credentials c ON c.account_id = i.id"
);

pub(super) const BEAT: &str = "INSERT INTO workers (id, regions, heartbeat_at) VALUES ($1, $2, now_ms()) \
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, regions = excluded.regions";

/// The worker's rank, and how many others live.
pub(super) const STANDING: &str = "SELECT count(*) FILTER (WHERE id < $1) AS rank, count(*) AS others FROM workers \
    WHERE id <> $1 AND heartbeat_at > (SELECT now_ms()) - $2";

/// Requeues the runs whose owner is not alive or not known, and the worker's own that it does not know of. Their new
/// fence shuts the old owner out.
pub(super) const TAKE_OVER: &str = "WITH t AS MATERIALIZED (SELECT now_ms() - $2 AS oldest), \
    lost AS MATERIALIZED (SELECT r.id FROM runs r WHERE r.state = 'running' AND CASE WHEN r.owner = $1 \
    THEN r.id <> ALL ($3::uuid[]) AND r.claimed_at <= (SELECT oldest FROM t) \
    ELSE NOT EXISTS (SELECT 1 FROM workers w WHERE w.id = r.owner AND w.heartbeat_at > (SELECT oldest FROM t)) END \
    ORDER BY r.account_id FOR NO KEY UPDATE), \
    requeued AS (UPDATE runs r SET state = 'queued', owner = NULL, fence = r.fence + 1 \
    FROM lost WHERE r.id = lost.id RETURNING r.id) \
    SELECT n.runs, CASE WHEN n.runs > 0 THEN pg_notify('tidewaiter', '')::text END AS told \
    FROM (SELECT count(*) AS runs FROM requeued) n";

pub(super) const FORGET_DEAD: &str = "DELETE FROM workers WHERE id <> $1 AND heartbeat_at <= (SELECT now_ms()) - $2";

/// Requeues what a worker owns.
pub(super) const REQUEUE_OWN: &str = "WITH lost AS MATERIALIZED (SELECT r.id FROM runs r WHERE r.state = 'running' \
    AND r.owner = $1 ORDER BY r.account_id FOR NO KEY UPDATE), \
    requeued AS (UPDATE runs r SET state = 'queued', owner = NULL, fence = r.fence + 1 \
    FROM lost WHERE r.id = lost.id RETURNING r.id) \
    SELECT CASE WHEN EXISTS (SELECT 1 FROM requeued) THEN pg_notify('tidewaiter', '')::text END AS told";

pub(super) const FORGET: &str = "DELETE FROM workers WHERE id = $1";

/// Takes events out of the outbox, and answers the worker's rank, how many others live, and the next events of its shards.
///
/// All parts see the outbox as it was before the deletion, so what is deleted is left out by name; the next event of
/// the same account is found. Each shard gives its part of the limit, in the order of its index, and reads no further
/// than it must. Lists of what to leave out are hashed sub-selects: as arrays they would be searched for each row by
/// servers before 15, as joins they would lose the index's order.
pub(super) const RELAY_PASS: &str = "WITH published AS MATERIALIZED (SELECT * FROM unnest($3::smallint[], $4::uuid[], \
    $5::bigint[]) AS p(shard, account_id, sequence)), \
    gone AS (DELETE FROM outbox o USING published p \
    WHERE o.shard = p.shard AND o.account_id = p.account_id AND o.sequence = p.sequence), \
    standing AS MATERIALIZED (SELECT count(*) FILTER (WHERE id < $1) AS rank, count(*) AS others FROM workers \
    WHERE id <> $1 AND heartbeat_at > (SELECT now_ms()) - $2), \
    heads AS MATERIALIZED (SELECT h.account_id, h.sequence FROM standing t CROSS JOIN generate_series(0, 15) AS s(shard) \
    CROSS JOIN LATERAL (SELECT DISTINCT ON (o.account_id) o.account_id, o.sequence FROM outbox o \
    WHERE o.shard = s.shard::smallint AND o.account_id NOT IN (SELECT unnest($6::uuid[])) \
    AND (o.account_id, o.sequence) NOT IN (SELECT p.account_id, p.sequence FROM published p) \
    ORDER BY o.account_id, o.sequence LIMIT ($7 * (t.others + 1) + 15) / 16) h \
    WHERE $7 > 0 AND s.shard % (t.others + 1) = t.rank) \
    SELECT t.rank, t.others, e.account_id, e.sequence, e.event_type, e.envelope FROM standing t \
    LEFT JOIN (heads h JOIN events e ON e.account_id = h.account_id AND e.sequence = h.sequence) ON true \
    ORDER BY e.account_id";

pub(super) const QUARANTINE: &str = "INSERT INTO quarantine AS q (id, channel, message_id, fingerprint, reason, detail, \
    sealed, body_bytes, state, arrivals, first_at, last_at, pointer, correlation_id, queue, properties) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'held', 1, $9, $9, $10, $11, $12, $13) \
    ON CONFLICT (channel, message_id, fingerprint, reason) WHERE state <> 'dropped' \
    DO UPDATE SET arrivals = q.arrivals + 1, last_at = excluded.last_at";

/// One process applies definitions at a time. The number is arbitrary and ours.
pub(super) const LOCK_DEFINITIONS: &str = "SELECT pg_advisory_xact_lock(7461203118)::text";

pub(super) const SAVE_ENVIRONMENT: &str = "INSERT INTO environments AS e (id, name) VALUES ($1, $2) \
    ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE e.name <> excluded.name";

pub(super) const SAVE_INTEGRATION: &str = "INSERT INTO integrations AS i (id, name, label, hash, sealed, version) \
    VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, label = excluded.label, \
    hash = excluded.hash, sealed = excluded.sealed, version = i.version + 1 \
    WHERE i.hash <> excluded.hash RETURNING version";

pub(super) const SAVE_VERSION: &str = "INSERT INTO integration_versions (integration_id, version, hash, sealed, \
    inserted_at) VALUES ($1, $2, $3, $4, now_ms())";

pub(super) const SAVE_EFFECTIVE: &str =
    "INSERT INTO effective_definitions (hash, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING";

pub(super) const SAVE_INSTALL: &str = "INSERT INTO environment_integrations AS i (id, environment_id, integration_id, \
    is_enabled, hash, sealed, effective) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
    environment_id = excluded.environment_id, integration_id = excluded.integration_id, \
    is_enabled = excluded.is_enabled, hash = excluded.hash, sealed = excluded.sealed, effective = excluded.effective \
    WHERE i.hash <> excluded.hash OR i.effective <> excluded.effective OR i.is_enabled <> excluded.is_enabled \
    OR i.environment_id <> excluded.environment_id OR i.integration_id <> excluded.integration_id";

pub(super) const INTEGRATION_AT: &str = "SELECT version FROM integrations WHERE id = $1";

pub(super) const INTEGRATIONS: &str = "SELECT id, name, label, version, hash FROM integrations ORDER BY name";

pub(super) const VERSIONS: &str = "SELECT version, hash, inserted_at FROM integration_versions \
    WHERE integration_id = $1 ORDER BY version DESC";

pub(super) const VERSION: &str = "SELECT sealed FROM integration_versions WHERE integration_id = $1 AND version = $2";

pub(super) const INSTALLS: &str = concat!(installs!(), " ORDER BY e.id");

pub(super) const INSTALL: &str = concat!(installs!(), " WHERE e.id = $1");

pub(super) const EFFECTIVE: &str = "SELECT sealed FROM effective_definitions WHERE hash = $1";

pub(super) const SAVE_SETTING: &str = "INSERT INTO settings (key, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING";

pub(super) const SETTING: &str = "SELECT sealed FROM settings WHERE key = $1";

pub(super) const MESSAGE: &str =
    "SELECT account_id, fingerprint FROM runs WHERE environment_id = $1 AND message_id = $2";

pub(super) const ACCOUNT: &str = concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.id = $1");

/// The beginning of a list whose conditions depend on its filter.
pub(super) const ACCOUNTS: &str = concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.status IS NOT NULL");

pub(super) const CREDENTIAL: &str = concat!(
    "SELECT ",
    credential_columns!(),
    ", now_ms() - c.intent_at AS intent_age FROM credentials c WHERE c.account_id = $1"
);

pub(super) const LEFT: &str = concat!("SELECT ", left_columns!(), " AND id = $1");

pub(super) const RUN: &str = concat!("SELECT ", run_view_columns!(), " FROM runs WHERE id = $1");

pub(super) const RUNS: &str =
    concat!("SELECT ", run_view_columns!(), " FROM runs WHERE account_id = $1 ORDER BY id DESC LIMIT $2");

pub(super) const ACCOUNT_EVENTS: &str = "SELECT account_id, sequence, event_type, envelope, inserted_at FROM events \
    WHERE account_id = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";

pub(super) const EVENTS_SINCE: &str = "SELECT account_id, sequence, event_type, envelope, inserted_at FROM events \
    WHERE inserted_at >= $1 ORDER BY inserted_at, account_id, sequence LIMIT $2";

pub(super) const NOW: &str = "SELECT now_ms()";

/// Ages are looked for among the first thousand by account id, which begins with the account's age.
pub(super) const BACKLOG: &str = "SELECT (SELECT count(*) FROM runs WHERE state = 'queued') AS queued, \
    (SELECT count(*) FROM runs WHERE state = 'running') AS running, \
    (SELECT count(*) FROM runs WHERE state = 'waiting') AS waiting, \
    t.now - (SELECT min(inserted_at) FROM runs WHERE state = 'queued') AS oldest_queued, \
    t.now - (SELECT min(r.inserted_at) FROM (SELECT account_id, inserted_at FROM runs WHERE state <> 'finished' \
    ORDER BY account_id LIMIT 1000) r JOIN accounts a ON a.id = r.account_id AND a.status = 'connecting') \
    AS oldest_connecting, \
    (SELECT count(*) FROM outbox) AS outbox, \
    t.now - (SELECT min(e.inserted_at) FROM (SELECT account_id, sequence FROM outbox \
    ORDER BY shard, account_id LIMIT 1000) o JOIN events e ON e.account_id = o.account_id \
    AND e.sequence = o.sequence) AS oldest_outbox, \
    (SELECT count(*) FROM quarantine WHERE state = 'held') AS quarantined \
    FROM (SELECT now_ms() AS now) t";

/// Whether the server takes writes, and whether there is a schema.
pub(super) const CAN_WRITE: &str = "SELECT NOT pg_is_in_recovery() \
    AND current_setting('transaction_read_only') = 'off' AS can_write, \
    to_regclass('_sqlx_migrations') IS NOT NULL AS migrated";

pub(super) const SCHEMA_VERSION: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";

/// For the test that prepares them.
pub const ALL: &[&str] = &[
    ACCEPT,
    FIND_MESSAGES,
    COMMIT,
    STANDS,
    ENQUEUE,
    ENQUEUE_BESIDE,
    ENQUEUE_STANDS,
    PROMOTE,
    CLAIM,
    CLAIMED_ACCOUNTS,
    BEAT,
    STANDING,
    TAKE_OVER,
    FORGET_DEAD,
    REQUEUE_OWN,
    FORGET,
    RELAY_PASS,
    QUARANTINE,
    LOCK_DEFINITIONS,
    SAVE_ENVIRONMENT,
    SAVE_INTEGRATION,
    SAVE_VERSION,
    SAVE_EFFECTIVE,
    SAVE_INSTALL,
    INSTALLS,
    INSTALL,
    EFFECTIVE,
    SAVE_SETTING,
    SETTING,
    MESSAGE,
    ACCOUNT,
    ACCOUNTS,
    CREDENTIAL,
    LEFT,
    RUN,
    RUNS,
    ACCOUNT_EVENTS,
    EVENTS_SINCE,
    NOW,
    BACKLOG,
    CAN_WRITE,
    SCHEMA_VERSION,
];
