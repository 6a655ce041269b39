-- Times ending in _ns are nanoseconds since the epoch; times ending in _at are RFC 3339 in UTC, so
-- that they sort as text. Ids of tasks, traces and spans are lower-case hex, as users see them.

CREATE TABLE store (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    -- Made anew when the store is created: with outbox.number it names a record to the journal.
    epoch        TEXT    NOT NULL,
    -- The number of the newest outbox row ever written. Dense, also after rows were forgotten.
    outbox_last  INTEGER NOT NULL,
    inserted_at  TEXT    NOT NULL
);

CREATE TABLE customers (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE,
    inserted_at  TEXT    NOT NULL
);

-- Owners of repositories, in lower case: forges do not tell `Acme` from `acme`.
CREATE TABLE forge_accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id  INTEGER NOT NULL REFERENCES customers (id),
    name         TEXT    NOT NULL,
    inserted_at  TEXT    NOT NULL,
    UNIQUE (customer_id, name)
);

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id  INTEGER NOT NULL REFERENCES customers (id),
    -- SHA-256 of the key, hex. The key itself is nowhere.
    digest       TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL CHECK (role IN ('ingest', 'read', 'operator')),
    -- 1: only the accounts of api_key_forge_accounts, were there none of them.
    scoped       INTEGER NOT NULL,
    inserted_at  TEXT    NOT NULL,
    revoked_at   TEXT
);

CREATE TABLE api_key_forge_accounts (
    api_key_id        INTEGER NOT NULL REFERENCES api_keys (id),
    forge_account_id  INTEGER NOT NULL REFERENCES forge_accounts (id),
    PRIMARY KEY (api_key_id, forge_account_id)
);

CREATE TABLE repositories (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id  INTEGER NOT NULL REFERENCES customers (id),
    owner        TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    inserted_at  TEXT    NOT NULL,
    UNIQUE (customer_id, owner, name)
);

CREATE TABLE tasks (
    -- The order in which tasks were opened; pages are cut by it.
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id            TEXT    NOT NULL UNIQUE,
    origin_task_id     TEXT    NOT NULL,
    previous_task_id   TEXT,
    previous_trace_id  TEXT,
    previous_span_id   TEXT,
    repository_id      INTEGER NOT NULL REFERENCES repositories (id),
    issue_number       INTEGER,
    scan_commit        TEXT,
    trace_id           TEXT    NOT NULL,
    span_id            TEXT    NOT NULL,
    parent_span_id     TEXT,
    trace_state        TEXT    NOT NULL,
    trace_flags        INTEGER NOT NULL,
    status             TEXT    NOT NULL,
    environment        TEXT    NOT NULL,
    language           TEXT    NOT NULL,
    framework          TEXT    NOT NULL,
    phases             INTEGER NOT NULL,
    start_ns           INTEGER NOT NULL,
    end_ns             INTEGER NOT NULL,
    touched_ns         INTEGER NOT NULL,
    inserted_at        TEXT    NOT NULL
);
CREATE INDEX tasks_by_issue ON tasks (repository_id, issue_number, id);
CREATE INDEX tasks_by_commit ON tasks (repository_id, scan_commit, id);
CREATE INDEX tasks_by_origin ON tasks (origin_task_id, id);
CREATE INDEX tasks_by_status ON tasks (status, touched_ns);

CREATE TABLE scan_executions (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id          INTEGER NOT NULL REFERENCES repositories (id),
    issue_number           INTEGER,
    commit_sha             TEXT    NOT NULL,
    vulnerabilities_found  INTEGER,
    task_id                TEXT    NOT NULL REFERENCES tasks (task_id),
    trace_id               TEXT    NOT NULL,
    span_id                TEXT    NOT NULL,
    attempt                INTEGER NOT NULL,
    status                 TEXT    NOT NULL,
    language               TEXT    NOT NULL,
    framework              TEXT    NOT NULL,
    environment            TEXT    NOT NULL,
    start_ns               INTEGER NOT NULL,
    end_ns                 INTEGER NOT NULL,
    data                   TEXT    NOT NULL,
    inserted_at            TEXT    NOT NULL
);
CREATE INDEX scan_executions_by_work ON scan_executions (repository_id, commit_sha, id);
CREATE INDEX scan_executions_by_task ON scan_executions (task_id);

CREATE TABLE validation_executions (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id          INTEGER NOT NULL REFERENCES repositories (id),
    issue_number           INTEGER NOT NULL,
    commit_sha             TEXT    NOT NULL,
    -- 1, 0, or null when the client did not say.
    validated              INTEGER,
    vulnerabilities_found  INTEGER,
    task_id                TEXT    NOT NULL REFERENCES tasks (task_id),
    trace_id               TEXT    NOT NULL,
    span_id                TEXT    NOT NULL,
    attempt                INTEGER NOT NULL,
    status                 TEXT    NOT NULL,
    language               TEXT    NOT NULL,
    framework              TEXT    NOT NULL,
    environment            TEXT    NOT NULL,
    start_ns               INTEGER NOT NULL,
    end_ns                 INTEGER NOT NULL,
    data                   TEXT    NOT NULL,
    inserted_at            TEXT    NOT NULL
);
CREATE INDEX validation_executions_by_work ON validation_executions (repository_id, issue_number, id);
CREATE INDEX validation_executions_by_task ON validation_executions (task_id);

CREATE TABLE mitigation_executions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id  INTEGER NOT NULL REFERENCES repositories (id),
    issue_number   INTEGER NOT NULL,
    commit_sha     TEXT    NOT NULL,
    pr_number      INTEGER,
    task_id        TEXT    NOT NULL REFERENCES tasks (task_id),
    trace_id       TEXT    NOT NULL,
    span_id        TEXT    NOT NULL,
    attempt        INTEGER NOT NULL,
    status         TEXT    NOT NULL,
    language       TEXT    NOT NULL,
    framework      TEXT    NOT NULL,
    environment    TEXT    NOT NULL,
    start_ns       INTEGER NOT NULL,
    end_ns         INTEGER NOT NULL,
    data           TEXT    NOT NULL,
    inserted_at    TEXT    NOT NULL
);
CREATE INDEX mitigation_executions_by_work ON mitigation_executions (repository_id, issue_number, id);
CREATE INDEX mitigation_executions_by_task ON mitigation_executions (task_id);

CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id  INTEGER NOT NULL REFERENCES customers (id),
    name         TEXT    NOT NULL,
    event_uuid   TEXT,
    task_id      TEXT,
    trace_id     TEXT,
    span_id      TEXT,
    attributes   TEXT    NOT NULL,
    inserted_at  TEXT    NOT NULL
);
CREATE INDEX events_by_task ON events (task_id);

-- What was answered to whom, for 24 h.
CREATE TABLE idempotency (
    customer_id  INTEGER NOT NULL REFERENCES customers (id),
    key          TEXT    NOT NULL,
    -- SHA-256 of the canonical body, hex.
    digest       TEXT    NOT NULL,
    phase        TEXT    NOT NULL,
    phase_id     INTEGER NOT NULL,
    task_id      TEXT    NOT NULL,
    trace_id     TEXT    NOT NULL,
    span_id      TEXT    NOT NULL,
    arrival_ns   INTEGER NOT NULL,
    PRIMARY KEY (customer_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (arrival_ns);

-- Export requests on their way to the journal. A row is here if and only if its phase is stored and
-- the journal has not yet confirmed it.
CREATE TABLE outbox (
    number  INTEGER PRIMARY KEY,
    traces  BLOB,
    logs    BLOB
);
