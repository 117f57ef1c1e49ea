-- SPDX-License-Identifier: MIT
-- What is known of a run that is being read; gone with the connection.

CREATE TEMP TABLE IF NOT EXISTS seen (
    key TEXT NOT NULL,
    ip TEXT NOT NULL,
    protocol TEXT NOT NULL,
    mode TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    label_text TEXT NOT NULL,
    status TEXT NOT NULL,
    time TEXT NOT NULL,
    labels TEXT,
    facts TEXT,
    trust TEXT,
    checks TEXT,
    reasons TEXT,
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
    PRIMARY KEY (key, ip)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS temp.seen_host ON seen (host, ip);

CREATE TEMP TABLE IF NOT EXISTS seen_finding (
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    ip TEXT NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    waived INTEGER NOT NULL,
    waiver TEXT,
    waiver_expires TEXT,
    waiver_reason TEXT,
    timed INTEGER NOT NULL,
    PRIMARY KEY (key, fingerprint, ip)
) WITHOUT ROWID;

CREATE TEMP TABLE IF NOT EXISTS seen_policy (
    key TEXT NOT NULL,
    ip TEXT NOT NULL,
    policy TEXT NOT NULL,
    verdict TEXT NOT NULL,
    failing TEXT,
    unknown TEXT,
    PRIMARY KEY (key, ip, policy)
) WITHOUT ROWID;

CREATE TEMP TABLE IF NOT EXISTS aside (
    key TEXT NOT NULL,
    ip TEXT NOT NULL,
    reason TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (key, ip)
) WITHOUT ROWID;

CREATE TEMP TABLE IF NOT EXISTS waiver (
    waiver TEXT PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID;
