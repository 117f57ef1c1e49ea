-- SPDX-License-Identifier: MIT
-- Version 1: runs, endpoints, findings and changes.

-- What judged: a ruleset's hash, or, before there was one, the scanner's version.
CREATE TABLE ruleset (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL
);

CREATE TABLE rule (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL UNIQUE
);

-- A letter for each rule, by its id: what an endpoint passed, failed, or was not asked.
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    letters TEXT NOT NULL UNIQUE
);

CREATE TABLE ruleset_rule (
    ruleset INTEGER NOT NULL REFERENCES ruleset,
    rule INTEGER NOT NULL REFERENCES rule,
    PRIMARY KEY (ruleset, rule)
) WITHOUT ROWID;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    started TEXT NOT NULL,
    ended TEXT,
    complete INTEGER NOT NULL DEFAULT 0,
    stopped_by TEXT,
    scanner TEXT NOT NULL,
    ruleset INTEGER NOT NULL REFERENCES ruleset,
    options_sha256 TEXT NOT NULL,
    silent_recorded INTEGER NOT NULL,
    recorded INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    open_critical INTEGER NOT NULL DEFAULT 0,
    open_high INTEGER NOT NULL DEFAULT 0,
    open_medium INTEGER NOT NULL DEFAULT 0,
    open_low INTEGER NOT NULL DEFAULT 0,
    open_info INTEGER NOT NULL DEFAULT 0,
    waived INTEGER NOT NULL DEFAULT 0,
    not_observed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX run_started ON run (started, run_id);

-- first_run: in which it first answered; NULL: it never did.
CREATE TABLE endpoint (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL,
    mode TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    labels TEXT NOT NULL DEFAULT '{}',
    first_run INTEGER REFERENCES run,
    first_seen TEXT,
    last_run INTEGER REFERENCES run,
    last_seen TEXT,
    last_changed TEXT
);

-- An endpoint at an address; missed: the last run did not find it, and may have had no answer for its
-- family. The status is that of the last record, or out_of_scope or excluded; what follows seen_run is of
-- when it last answered, or the last that was known.
CREATE TABLE place (
    id INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    ip TEXT NOT NULL,
    current INTEGER NOT NULL DEFAULT 1,
    missed INTEGER NOT NULL DEFAULT 0,
    status TEXT,
    status_run INTEGER REFERENCES run,
    status_time TEXT,
    labels TEXT,
    seen_run INTEGER REFERENCES run,
    seen TEXT,
    facts TEXT,
    trust TEXT,
    seen_labels TEXT,
    checks TEXT,
    observed_mode TEXT,
    starttls TEXT,
    cleartext_login TEXT,
    versions TEXT,
    certificate TEXT,
    subject TEXT,
    issuer TEXT,
    not_after TEXT,
    capabilities_before TEXT,
    capabilities_after TEXT,
    UNIQUE (endpoint, ip)
);

CREATE TABLE finding (
    id INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    fingerprint TEXT NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    waived INTEGER NOT NULL DEFAULT 0,
    unobserved TEXT,
    first_run INTEGER NOT NULL REFERENCES run,
    first_seen TEXT NOT NULL,
    last_run INTEGER NOT NULL REFERENCES run,
    last_seen TEXT NOT NULL,
    closed_run INTEGER REFERENCES run,
    closed TEXT,
    reopened INTEGER NOT NULL DEFAULT 0,
    UNIQUE (endpoint, fingerprint)
);
CREATE INDEX finding_state ON finding (state, severity);

-- Where a finding is open, and what it was judged on there.
CREATE TABLE finding_place (
    finding INTEGER NOT NULL REFERENCES finding,
    place INTEGER NOT NULL REFERENCES place,
    run INTEGER NOT NULL REFERENCES run,
    severity TEXT NOT NULL,
    waived INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    facts TEXT,
    trust TEXT,
    labels TEXT,
    verdicts INTEGER REFERENCES verdicts,
    PRIMARY KEY (finding, place)
) WITHOUT ROWID;
CREATE INDEX finding_place_place ON finding_place (place);

CREATE TABLE change (
    run INTEGER NOT NULL REFERENCES run,
    seq INTEGER NOT NULL,
    change TEXT NOT NULL,
    cause TEXT NOT NULL,
    time TEXT NOT NULL,
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    ip TEXT,
    rule TEXT,
    fingerprint TEXT,
    severity TEXT,
    json TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE INDEX change_endpoint ON change (endpoint);
CREATE INDEX change_fingerprint ON change (fingerprint);
