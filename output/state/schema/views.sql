-- SPDX-License-Identifier: MIT
-- What others may read. Views belong to no version: whoever brings a state up to date makes them anew.

DROP VIEW IF EXISTS v_runs;
CREATE VIEW v_runs AS
SELECT
    run.run_id, run.started, run.ended, run.complete, run.stopped_by, run.scanner,
    ruleset.name AS ruleset, run.options_sha256, run.waivers_sha256,
    run.recorded, run.answered, run.changes
FROM run
JOIN ruleset ON ruleset.id = run.ruleset;

DROP VIEW IF EXISTS v_endpoints;
CREATE VIEW v_endpoints AS
SELECT
    e.key AS endpoint, p.ip, e.protocol, e.mode, e.host, e.port,
    p.status, p.status_time AS asked, e.first_seen, p.seen AS last_seen, e.last_changed,
    p.starttls, p.cleartext_login,
    nullif(rtrim(
        iif(substr(p.versions, 1, 1) = 'a', 'SSL2.0 ', '')
        || iif(substr(p.versions, 2, 1) = 'a', 'SSL3.0 ', '')
        || iif(substr(p.versions, 3, 1) = 'a', '1.0 ', '')
        || iif(substr(p.versions, 4, 1) = 'a', '1.1 ', '')
        || iif(substr(p.versions, 5, 1) = 'a', '1.2 ', '')
        || iif(substr(p.versions, 6, 1) = 'a', '1.3 ', '')
    ), '') AS versions_accepted,
    (
        SELECT count(*) FROM finding AS f
        WHERE f.endpoint = e.id AND f.state = 'open' AND NOT f.waived
    ) AS open_findings,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'owner') AS owner,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'site') AS site,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'role') AS role
FROM place AS p
JOIN endpoint AS e ON e.id = p.endpoint
WHERE p.current AND e.first_seen IS NOT NULL;

DROP VIEW IF EXISTS v_open_findings;
CREATE VIEW v_open_findings AS
SELECT
    e.key AS endpoint, e.host, e.protocol, e.port,
    f.rule, f.severity, f.title, iif(f.waived, 'waived', 'open') AS status,
    f.first_seen, f.last_seen,
    CAST(julianday((SELECT max(started) FROM run)) - julianday(f.first_seen) AS INTEGER) AS age_days,
    f.reopened AS times_reopened, f.unobserved AS not_observed_because,
    f.waiver, f.waiver_expires, f.waiver_reason, f.fingerprint,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'owner') AS owner,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'site') AS site,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'role') AS role
FROM finding AS f
JOIN endpoint AS e ON e.id = f.endpoint
WHERE f.state = 'open';

DROP VIEW IF EXISTS v_findings_by_rule;
CREATE VIEW v_findings_by_rule AS
SELECT
    rule, severity,
    sum(state = 'open' AND NOT waived) AS open,
    sum(state = 'open' AND waived) AS waived,
    sum(state = 'open' AND unobserved IS NOT NULL) AS not_observed,
    sum(state = 'resolved') AS resolved,
    sum(state = 'not_applicable') AS not_applicable,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen, max(title) AS title
FROM finding
GROUP BY rule, severity;

DROP VIEW IF EXISTS v_history;
CREATE VIEW v_history AS
SELECT
    run.run_id, run.started, run.complete, run.recorded, run.answered,
    run.open_critical, run.open_high, run.open_medium, run.open_low, run.open_info,
    run.waived, run.not_observed,
    coalesce(sum(c.change = 'finding_new'), 0) AS new,
    coalesce(sum(c.change = 'finding_reopened'), 0) AS reopened,
    coalesce(sum(c.change = 'finding_resolved'), 0) AS resolved,
    run.changes
FROM run
LEFT JOIN change AS c ON c.run = run.id
GROUP BY run.id;

DROP VIEW IF EXISTS v_certificates;
CREATE VIEW v_certificates AS
SELECT
    e.key AS endpoint, p.ip, p.subject, p.issuer, p.not_after,
    CAST(julianday(p.not_after) - julianday((SELECT max(started) FROM run)) AS INTEGER) AS days_left,
    p.certificate AS sha256, p.seen AS last_seen,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'owner') AS owner,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'site') AS site,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'role') AS role
FROM place AS p
JOIN endpoint AS e ON e.id = p.endpoint
WHERE p.current AND p.certificate <> '';

DROP VIEW IF EXISTS v_changes;
CREATE VIEW v_changes AS
SELECT
    c.time, c.change, c.cause, e.key AS endpoint, c.ip, c.rule, c.severity,
    json_extract(c.json, '$.title') AS title,
    json_extract(c.json, '$.before') AS before,
    json_extract(c.json, '$.after') AS after,
    json_extract(c.json, '$.reason') AS reason,
    c.fingerprint, run.run_id, c.seq,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'owner') AS owner,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'site') AS site,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'role') AS role
FROM change AS c
JOIN run ON run.id = c.run
JOIN endpoint AS e ON e.id = c.endpoint;

DROP VIEW IF EXISTS v_policies;
CREATE VIEW v_policies AS
SELECT
    v.policy, v.verdict, e.key AS endpoint, p.ip, run.started AS judged,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'owner') AS owner,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'site') AS site,
    (SELECT value FROM label WHERE label.endpoint = e.id AND label.label = 'role') AS role
FROM policy_verdict AS v
JOIN place AS p ON p.id = v.place
JOIN endpoint AS e ON e.id = p.endpoint
JOIN run ON run.id = v.run
WHERE p.current;
