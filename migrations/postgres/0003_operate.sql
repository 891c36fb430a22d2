-- What operators work with: replays whose accounts are fixed before the first of them runs again, and a quarantine
-- whose rows can be worked off.

-- The run of each account is named beforehand, so whoever goes on after a crash makes the same run or finds it made.
CREATE TABLE replays (
    id          uuid PRIMARY KEY,
    key         text NOT NULL UNIQUE,
    filter      text NOT NULL,
    cap         bigint NOT NULL,
    resend      boolean NOT NULL,
    actor       text NOT NULL,
    created_at  bigint NOT NULL,
    started_at  bigint,
    finished_at bigint
);

CREATE TABLE replay_items (
    replay_id         uuid NOT NULL REFERENCES replays (id),
    place             bigint NOT NULL,
    account_id        uuid NOT NULL,
    run_id            uuid NOT NULL,
    expected_sequence bigint NOT NULL,
    refusal           text,
    PRIMARY KEY (replay_id, place),
    UNIQUE (replay_id, account_id)
);

-- Failed accounts by the time of their failing.
CREATE INDEX accounts_failed_at ON accounts (status, updated_at, id)
    WHERE status IN ('post_install_error', 'validation_error', 'needs_reauth');

-- A request that was dropped and comes again is kept again: only open rows recognise it.
ALTER TABLE quarantine DROP CONSTRAINT quarantine_channel_message_id_fingerprint_reason_key;
ALTER TABLE quarantine
    ADD COLUMN pointer        text,
    ADD COLUMN correlation_id text,
    ADD COLUMN queue          text,
    ADD COLUMN settled_at     bigint,
    ADD COLUMN settled_by     text,
    ADD COLUMN resubmitted_as text;
CREATE UNIQUE INDEX quarantine_open ON quarantine (channel, message_id, fingerprint, reason) WHERE state <> 'dropped';
CREATE INDEX quarantine_by_state ON quarantine (state, id);
CREATE INDEX quarantine_by_reason ON quarantine (reason, id);
