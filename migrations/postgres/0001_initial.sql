-- Times are milliseconds since the Unix epoch, UTC. Columns named *_at hold the worker's clock where they repeat an
-- event's time, and the database's clock where they order claims (due_at, claimed_at, heartbeat_at, inserted_at).
-- The tables that every import writes have no foreign keys: one transaction writes them together, and each check would
-- cost a look-up per row. Documents whose order and numbers matter are text: jsonb would rewrite them.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE settings (
    key    text PRIMARY KEY,
    sealed bytea NOT NULL
);

CREATE TABLE environments (
    id   uuid PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE integrations (
    id      uuid PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    label   text NOT NULL,
    hash    bytea NOT NULL,
    sealed  bytea NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE integration_versions (
    integration_id uuid NOT NULL REFERENCES integrations (id),
    version        bigint NOT NULL,
    hash           bytea NOT NULL,
    sealed         bytea NOT NULL,
    inserted_at    bigint NOT NULL,
    PRIMARY KEY (integration_id, version)
);

CREATE TABLE environment_integrations (
    id             uuid PRIMARY KEY,
    environment_id uuid NOT NULL REFERENCES environments (id),
    integration_id uuid NOT NULL REFERENCES integrations (id),
    is_enabled     boolean NOT NULL,
    hash           bytea NOT NULL,
    sealed         bytea NOT NULL,
    effective      bytea NOT NULL
);

CREATE TABLE effective_definitions (
    hash   bytea PRIMARY KEY,
    sealed bytea NOT NULL
);

CREATE TABLE accounts (
    id                         uuid PRIMARY KEY,
    tenant_id                  text NOT NULL,
    environment_id             uuid NOT NULL,
    environment_integration_id uuid NOT NULL,
    integration_id             uuid NOT NULL,
    integration_name           text NOT NULL,
    integration_label          text NOT NULL,
    region                     text NOT NULL CHECK (region IN ('wnam', 'enam', 'apac', 'eu')),
    authentication_method      text NOT NULL,
    is_sandbox                 boolean NOT NULL,
    status                     text CHECK (status IN ('connecting', 'active', 'post_install_error', 'validation_error', 'needs_reauth')),
    reason                     text,
    last_error                 text,
    last_forbidden_error       text,
    context                    text NOT NULL,
    latest_run                 uuid,
    sequence                   bigint NOT NULL CHECK (sequence > 0),
    proven_at                  bigint,
    created_at                 bigint NOT NULL,
    updated_at                 bigint NOT NULL
);
CREATE INDEX accounts_by_tenant ON accounts (tenant_id, id);
CREATE INDEX accounts_failed ON accounts (status, id)
    WHERE status IN ('post_install_error', 'validation_error', 'needs_reauth');

-- The only home of secrets.
CREATE TABLE credentials (
    account_id       uuid PRIMARY KEY,
    sealed           bytea NOT NULL,
    version          bigint NOT NULL,
    expires_at       bigint,
    intent_fence     bigint,
    intent_version   bigint,
    intent_at        bigint,
    intent_repeated  boolean
);

CREATE TABLE runs (
    id             uuid PRIMARY KEY,
    account_id     uuid NOT NULL,
    environment_id uuid NOT NULL,
    region         text NOT NULL,
    cause          text NOT NULL,
    from_phase     text NOT NULL,
    state          text NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'finished')),
    fair_key       bigint NOT NULL,
    due_at         bigint,
    owner          uuid,
    fence          bigint NOT NULL,
    definition     bytea NOT NULL,
    progress       bytea,
    trace          text,
    outcome        text,
    replay_of      uuid,
    message_id     text,
    fingerprint    bytea,
    channel        text NOT NULL,
    correlation_id text,
    claimed_at     bigint,
    inserted_at    bigint NOT NULL,
    finished_at    bigint
);
-- The inbox: a message makes one run.
CREATE UNIQUE INDEX runs_inbox ON runs (environment_id, message_id) WHERE message_id IS NOT NULL;
-- The lease of an account: one unfinished run.
CREATE UNIQUE INDEX runs_unfinished ON runs (account_id) WHERE state <> 'finished';
CREATE INDEX runs_queued ON runs (region, fair_key) WHERE state = 'queued';
CREATE INDEX runs_waiting ON runs (due_at) WHERE state = 'waiting';
CREATE INDEX runs_owned ON runs (owner) WHERE state = 'running';
CREATE INDEX runs_of_account ON runs (account_id, id);

CREATE TABLE events (
    account_id  uuid NOT NULL,
    sequence    bigint NOT NULL,
    event_type  text NOT NULL,
    envelope    text NOT NULL,
    inserted_at bigint NOT NULL,
    PRIMARY KEY (account_id, sequence)
);
CREATE INDEX events_by_insertion ON events (inserted_at);

CREATE TABLE outbox (
    shard      smallint NOT NULL,
    account_id uuid NOT NULL,
    sequence   bigint NOT NULL,
    PRIMARY KEY (shard, account_id, sequence)
);

CREATE TABLE quarantine (
    id          uuid PRIMARY KEY,
    channel     text NOT NULL,
    message_id  text NOT NULL,
    fingerprint bytea NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    sealed      bytea NOT NULL,
    body_bytes  bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('held', 'resubmitted', 'dropped')),
    arrivals    bigint NOT NULL,
    first_at    bigint NOT NULL,
    last_at     bigint NOT NULL,
    UNIQUE (channel, message_id, fingerprint, reason)
);

CREATE TABLE workers (
    id           uuid PRIMARY KEY,
    regions      text NOT NULL,
    heartbeat_at bigint NOT NULL
);

-- What closed the way for an install at a host, and until when.
CREATE TABLE gates (
    environment_integration_id uuid NOT NULL,
    host                       text NOT NULL,
    closed_until               bigint NOT NULL,
    reason                     text NOT NULL,
    PRIMARY KEY (environment_integration_id, host)
);
