-- SPDX-License-Identifier: MIT
-- Version 2: policies, waivers and labels.

ALTER TABLE run ADD COLUMN waivers_sha256 TEXT;

CREATE TABLE run_policy (
    run INTEGER NOT NULL REFERENCES run,
    policy TEXT NOT NULL,
    version TEXT,
    sha256 TEXT,
    PRIMARY KEY (run, policy)
) WITHOUT ROWID;

CREATE TABLE policy_verdict (
    place INTEGER NOT NULL REFERENCES place,
    policy TEXT NOT NULL,
    verdict TEXT NOT NULL,
    run INTEGER NOT NULL REFERENCES run,
    facts TEXT,
    trust TEXT,
    labels TEXT,
    failing TEXT,
    verdicts INTEGER REFERENCES verdicts,
    PRIMARY KEY (place, policy)
) WITHOUT ROWID;

ALTER TABLE finding_place ADD COLUMN waiver TEXT;
ALTER TABLE finding ADD COLUMN waiver TEXT;
ALTER TABLE finding ADD COLUMN waiver_expires TEXT;
ALTER TABLE finding ADD COLUMN waiver_reason TEXT;

CREATE TABLE label (
    endpoint INTEGER NOT NULL REFERENCES endpoint,
    label TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (endpoint, label)
) WITHOUT ROWID;
CREATE INDEX label_value ON label (label, value);

INSERT INTO label
SELECT endpoint.id, json_each.key, json_each.value
FROM endpoint, json_each(endpoint.labels)
WHERE json_each.type = 'text';
