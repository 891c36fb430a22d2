-- Times are milliseconds since the Unix epoch, UTC. Columns named *_at hold the worker's clock where they repeat an
-- event's time, and the database's clock where they order claims (due_at, claimed_at, heartbeat_at, inserted_at).
-- The tables that every import writes have no foreign keys: one transaction writes them together, and each check would
-- cost a look-up per row. Documents whose order and numbers matter are text.

CREATE TABLE settings (
    key    text PRIMARY KEY,
    sealed blob NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE environments (
    id   blob PRIMARY KEY,
    name text NOT NULL
) STRICT;

CREATE TABLE integrations (
    id      blob PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    label   text NOT NULL,
    hash    blob NOT NULL,
    sealed  blob NOT NULL,
    version integer NOT NULL
) STRICT;

CREATE TABLE integration_versions (
    integration_id blob NOT NULL REFERENCES integrations (id),
    version        integer NOT NULL,
    hash           blob NOT NULL,
    sealed         blob NOT NULL,
    inserted_at    integer NOT NULL,
    PRIMARY KEY (integration_id, version)
) STRICT;

CREATE TABLE environment_integrations (
    id             blob PRIMARY KEY,
    environment_id blob NOT NULL REFERENCES environments (id),
    integration_id blob NOT NULL REFERENCES integrations (id),
    is_enabled     integer NOT NULL,
    hash           blob NOT NULL,
    sealed         blob NOT NULL,
    effective      blob NOT NULL
) STRICT;

CREATE TABLE effective_definitions (
    hash   blob PRIMARY KEY,
    sealed blob NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id                         blob PRIMARY KEY,
    tenant_id                  text NOT NULL,
    environment_id             blob NOT NULL,
    environment_integration_id blob NOT NULL,
    integration_id             blob NOT NULL,
    integration_name           text NOT NULL,
    integration_label          text NOT NULL,
    region                     text NOT NULL CHECK (region IN ('wnam', 'enam', 'apac', 'eu')),
    authentication_method      text NOT NULL,
    is_sandbox                 integer NOT NULL,
    status                     text CHECK (status IN ('connecting', 'active', 'post_install_error', 'validation_error', 'needs_reauth')),
    reason                     text,
    last_error                 text,
    last_forbidden_error       text,
    context                    text NOT NULL,
    latest_run                 blob,
    sequence                   integer NOT NULL CHECK (sequence > 0),
    proven_at                  integer,
    created_at                 integer NOT NULL,
    updated_at                 integer NOT NULL
) STRICT;
CREATE INDEX accounts_by_tenant ON accounts (tenant_id, id);
CREATE INDEX accounts_failed ON accounts (status, id)
    WHERE status IN ('post_install_error', 'validation_error', 'needs_reauth');

-- The only home of secrets.
CREATE TABLE credentials (
    account_id       blob PRIMARY KEY,
    sealed           blob NOT NULL,
    version          integer NOT NULL,
    expires_at       integer,
    intent_fence     integer,
    intent_version   integer,
    intent_at        integer,
    intent_repeated  integer
) STRICT;

CREATE TABLE runs (
    id             blob PRIMARY KEY,
    account_id     blob NOT NULL,
    environment_id blob NOT NULL,
    region         text NOT NULL,
    cause          text NOT NULL,
    from_phase     text NOT NULL,
    state          text NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'finished')),
    fair_key       integer NOT NULL,
    due_at         integer,
    owner          blob,
    fence          integer NOT NULL,
    definition     blob NOT NULL,
    progress       blob,
    trace          text,
    outcome        text,
    replay_of      blob,
    message_id     text,
    fingerprint    blob,
    channel        text NOT NULL,
    correlation_id text,
    claimed_at     integer,
    inserted_at    integer NOT NULL,
    finished_at    integer
) STRICT;
-- The inbox: a message makes one run.
CREATE UNIQUE INDEX runs_inbox ON runs (environment_id, message_id) WHERE message_id IS NOT NULL;
-- The lease of an account: one unfinished run.
CREATE UNIQUE INDEX runs_unfinished ON runs (account_id) WHERE state <> 'finished';
CREATE INDEX runs_queued ON runs (region, fair_key) WHERE state = 'queued';
CREATE INDEX runs_waiting ON runs (due_at) WHERE state = 'waiting';
CREATE INDEX runs_owned ON runs (owner) WHERE state = 'running';
CREATE INDEX runs_of_account ON runs (account_id, id);

CREATE TABLE events (
    account_id  blob NOT NULL,
    sequence    integer NOT NULL,
    event_type  text NOT NULL,
    envelope    text NOT NULL,
    inserted_at integer NOT NULL,
    PRIMARY KEY (account_id, sequence)
) STRICT;
CREATE INDEX events_by_insertion ON events (inserted_at);

CREATE TABLE outbox (
    shard      integer NOT NULL,
    account_id blob NOT NULL,
    sequence   integer NOT NULL,
    PRIMARY KEY (shard, account_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id          blob PRIMARY KEY,
    channel     text NOT NULL,
    message_id  text NOT NULL,
    fingerprint blob NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    sealed      blob NOT NULL,
    body_bytes  integer NOT NULL,
    state       text NOT NULL CHECK (state IN ('held', 'resubmitted', 'dropped')),
    arrivals    integer NOT NULL,
    first_at    integer NOT NULL,
    last_at     integer NOT NULL,
    UNIQUE (channel, message_id, fingerprint, reason)
) STRICT;

CREATE TABLE workers (
    id           blob PRIMARY KEY,
    regions      text NOT NULL,
    heartbeat_at integer NOT NULL
) STRICT;

-- What closed the way for an install at a host, and until when.
CREATE TABLE gates (
    environment_integration_id blob NOT NULL,
    host                       text NOT NULL,
    closed_until               integer NOT NULL,
    reason                     text NOT NULL,
    PRIMARY KEY (environment_integration_id, host)
) STRICT, WITHOUT ROWID;
