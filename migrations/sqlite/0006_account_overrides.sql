-- An account's own layer of config, sealed whole: it may hold secrets. A table of its own, because accepting and claiming
-- never read it, and few accounts have one. Whoever deletes an account erases its row here, as its credentials.
CREATE TABLE account_overrides (
    account_id                 blob PRIMARY KEY,
    environment_integration_id blob NOT NULL,
    sealed                     blob NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_overrides_of_install ON account_overrides (environment_integration_id, account_id);
