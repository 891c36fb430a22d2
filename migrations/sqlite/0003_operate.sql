-- What operators work with: replays whose accounts are fixed before the first of them runs again, and a quarantine
-- whose rows can be worked off.

-- The run of each account is named beforehand, so whoever goes on after a crash makes the same run or finds it made.
CREATE TABLE replays (
    id          blob PRIMARY KEY,
    key         text NOT NULL UNIQUE,
    filter      text NOT NULL,
    cap         integer NOT NULL,
    resend      integer NOT NULL,
    actor       text NOT NULL,
    created_at  integer NOT NULL,
    started_at  integer,
    finished_at integer
) STRICT;

CREATE TABLE replay_items (
    replay_id         blob NOT NULL REFERENCES replays (id),
    place             integer NOT NULL,
    account_id        blob NOT NULL,
    run_id            blob NOT NULL,
    expected_sequence integer NOT NULL,
    refusal           text,
    PRIMARY KEY (replay_id, place),
    UNIQUE (replay_id, account_id)
) STRICT, WITHOUT ROWID;

-- Failed accounts by the time of their failing.
CREATE INDEX accounts_failed_at ON accounts (status, updated_at, id)
    WHERE status IN ('post_install_error', 'validation_error', 'needs_reauth');

-- A request that was dropped and comes again is kept again: only open rows recognise it. SQLite drops no constraint, so
-- the table is made anew.
CREATE TABLE quarantine_anew (
    id             blob PRIMARY KEY,
    channel        text NOT NULL,
    message_id     text NOT NULL,
    fingerprint    blob NOT NULL,
    reason         text NOT NULL,
    detail         text NOT NULL,
    pointer        text,
    correlation_id text,
    queue          text,
    sealed         blob NOT NULL,
    properties     blob,
    body_bytes     integer NOT NULL,
    state          text NOT NULL CHECK (state IN ('held', 'resubmitted', 'dropped')),
    arrivals       integer NOT NULL,
    first_at       integer NOT NULL,
    last_at        integer NOT NULL,
    settled_at     integer,
    settled_by     text,
    resubmitted_as text
) STRICT;
INSERT INTO quarantine_anew (id, channel, message_id, fingerprint, reason, detail, sealed, properties, body_bytes,
    state, arrivals, first_at, last_at)
    SELECT id, channel, message_id, fingerprint, reason, detail, sealed, properties, body_bytes, state, arrivals,
    first_at, last_at FROM quarantine;
DROP TABLE quarantine;
ALTER TABLE quarantine_anew RENAME TO quarantine;
CREATE UNIQUE INDEX quarantine_open ON quarantine (channel, message_id, fingerprint, reason) WHERE state <> 'dropped';
CREATE INDEX quarantine_by_state ON quarantine (state, id);
CREATE INDEX quarantine_by_reason ON quarantine (reason, id);
