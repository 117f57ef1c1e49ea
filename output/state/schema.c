/* SPDX-License-Identifier: MIT */
#include "output/state/schema.h"

/* --- version 1: runs, endpoints, findings and changes ------------------------------------------- */

static const char version_1[] =
    /* What judged: a ruleset's hash, or, before there was one, the scanner's version. */
    "CREATE TABLE ruleset ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version TEXT NOT NULL);"
    "CREATE TABLE rule (id INTEGER PRIMARY KEY, rule TEXT NOT NULL UNIQUE);"
    /* A letter for each rule, by its id: what an endpoint passed, failed, or was not asked. */
    "CREATE TABLE verdicts (id INTEGER PRIMARY KEY, letters TEXT NOT NULL UNIQUE);"
    "CREATE TABLE ruleset_rule ("
    " ruleset INTEGER NOT NULL REFERENCES ruleset, rule INTEGER NOT NULL REFERENCES rule,"
    " PRIMARY KEY (ruleset, rule)) WITHOUT ROWID;"
    "CREATE TABLE run ("
    " id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, started TEXT NOT NULL, ended TEXT,"
    " complete INTEGER NOT NULL DEFAULT 0, stopped_by TEXT, scanner TEXT NOT NULL,"
    " ruleset INTEGER NOT NULL REFERENCES ruleset, options_sha256 TEXT NOT NULL,"
    " silent_recorded INTEGER NOT NULL, recorded INTEGER NOT NULL DEFAULT 0,"
    " answered INTEGER NOT NULL DEFAULT 0, changes INTEGER NOT NULL DEFAULT 0,"
    " open_critical INTEGER NOT NULL DEFAULT 0, open_high INTEGER NOT NULL DEFAULT 0,"
    " open_medium INTEGER NOT NULL DEFAULT 0, open_low INTEGER NOT NULL DEFAULT 0,"
    " open_info INTEGER NOT NULL DEFAULT 0, waived INTEGER NOT NULL DEFAULT 0,"
    " not_observed INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX run_started ON run (started, run_id);"
    /* first_run: in which it first answered; NULL: it never did. */
    "CREATE TABLE endpoint ("
    " id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, protocol TEXT NOT NULL, mode TEXT NOT NULL,"
    " host TEXT NOT NULL, port INTEGER NOT NULL, labels TEXT NOT NULL DEFAULT '{}',"
    " first_run INTEGER REFERENCES run, first_seen TEXT, last_run INTEGER REFERENCES run,"
    " last_seen TEXT, last_changed TEXT);"
    /* An endpoint at an address; missed: the last run did not find it, and may have had no answer for
       its family. The status is that of the last record, or out_of_scope or
       excluded; what follows seen_run is of when it last answered, or the last that was known. */
    "CREATE TABLE place ("
    " id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL REFERENCES endpoint, ip TEXT NOT NULL,"
    " current INTEGER NOT NULL DEFAULT 1, missed INTEGER NOT NULL DEFAULT 0,"
    " status TEXT, status_run INTEGER REFERENCES run,"
    " status_time TEXT, labels TEXT, seen_run INTEGER REFERENCES run, seen TEXT, facts TEXT,"
    " trust TEXT, seen_labels TEXT, checks TEXT, observed_mode TEXT, starttls TEXT,"
    " cleartext_login TEXT, versions TEXT, certificate TEXT, subject TEXT, issuer TEXT,"
    " not_after TEXT, capabilities_before TEXT, capabilities_after TEXT,"
    " UNIQUE (endpoint, ip));"
    "CREATE TABLE finding ("
    " id INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL REFERENCES endpoint,"
    " fingerprint TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL, title TEXT NOT NULL,"
    " state TEXT NOT NULL, waived INTEGER NOT NULL DEFAULT 0, unobserved TEXT,"
    " first_run INTEGER NOT NULL REFERENCES run, first_seen TEXT NOT NULL,"
    " last_run INTEGER NOT NULL REFERENCES run, last_seen TEXT NOT NULL,"
    " closed_run INTEGER REFERENCES run, closed TEXT, reopened INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (endpoint, fingerprint));"
    "CREATE INDEX finding_state ON finding (state, severity);"
    /* Where a finding is open, and what it was judged on there. */
    "CREATE TABLE finding_place ("
    " finding INTEGER NOT NULL REFERENCES finding, place INTEGER NOT NULL REFERENCES place,"
    " run INTEGER NOT NULL REFERENCES run, severity TEXT NOT NULL, waived INTEGER NOT NULL,"
    " answered INTEGER NOT NULL, facts TEXT, trust TEXT, labels TEXT,"
    " verdicts INTEGER REFERENCES verdicts, PRIMARY KEY (finding, place)) WITHOUT ROWID;"
    "CREATE INDEX finding_place_place ON finding_place (place);"
    "CREATE TABLE change ("
    " run INTEGER NOT NULL REFERENCES run, seq INTEGER NOT NULL, change TEXT NOT NULL,"
    " cause TEXT NOT NULL, time TEXT NOT NULL, endpoint INTEGER NOT NULL REFERENCES endpoint,"
    " ip TEXT, rule TEXT, fingerprint TEXT, severity TEXT, json TEXT NOT NULL,"
    " PRIMARY KEY (run, seq)) WITHOUT ROWID;"
    "CREATE INDEX change_endpoint ON change (endpoint);"
    "CREATE INDEX change_fingerprint ON change (fingerprint);";

/* --- version 2: policies, waivers and labels ---------------------------------------------------- */

static const char version_2[] =
    "ALTER TABLE run ADD COLUMN waivers_sha256 TEXT;"
    "CREATE TABLE run_policy ("
    " run INTEGER NOT NULL REFERENCES run, policy TEXT NOT NULL, version TEXT, sha256 TEXT,"
    " PRIMARY KEY (run, policy)) WITHOUT ROWID;"
    "CREATE TABLE policy_verdict ("
    " place INTEGER NOT NULL REFERENCES place, policy TEXT NOT NULL, verdict TEXT NOT NULL,"
    " run INTEGER NOT NULL REFERENCES run, facts TEXT, trust TEXT, labels TEXT, failing TEXT,"
    " verdicts INTEGER REFERENCES verdicts, PRIMARY KEY (place, policy)) WITHOUT ROWID;"
    "ALTER TABLE finding_place ADD COLUMN waiver TEXT;"
    "ALTER TABLE finding ADD COLUMN waiver TEXT;"
    "ALTER TABLE finding ADD COLUMN waiver_expires TEXT;"
    "ALTER TABLE finding ADD COLUMN waiver_reason TEXT;"
    "CREATE TABLE label ("
    " endpoint INTEGER NOT NULL REFERENCES endpoint, label TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (endpoint, label)) WITHOUT ROWID;"
    "CREATE INDEX label_value ON label (label, value);"
    "INSERT INTO label SELECT endpoint.id, json_each.key, json_each.value"
    " FROM endpoint, json_each(endpoint.labels) WHERE json_each.type = 'text';";

const char *schema_step(int version)
{
    static const char *const steps[SCHEMA_VERSION + 1] = {NULL, version_1, version_2};
    return version >= 1 && version <= SCHEMA_VERSION ? steps[version] : NULL;
}

/* --- views -------------------------------------------------------------------------------------- */

#define LABEL(name)                                                                                \
    "(SELECT value FROM label WHERE label.endpoint = e.id AND label.label = '" name "') AS " name

const char *const schema_views[] = {
    "DROP VIEW IF EXISTS v_runs;"
    "CREATE VIEW v_runs AS SELECT run.run_id, run.started, run.ended, run.complete,"
    " run.stopped_by, run.scanner, ruleset.name AS ruleset, run.options_sha256,"
    " run.waivers_sha256, run.recorded, run.answered, run.changes"
    " FROM run JOIN ruleset ON ruleset.id = run.ruleset;",

    "DROP VIEW IF EXISTS v_endpoints;"
    "CREATE VIEW v_endpoints AS SELECT e.key AS endpoint, p.ip, e.protocol, e.mode, e.host,"
    " e.port, p.status, p.status_time AS asked, e.first_seen, p.seen AS last_seen,"
    " e.last_changed, p.starttls, p.cleartext_login,"
    " nullif(rtrim(iif(substr(p.versions, 1, 1) = 'a', 'SSL2.0 ', '')"
    " || iif(substr(p.versions, 2, 1) = 'a', 'SSL3.0 ', '')"
    " || iif(substr(p.versions, 3, 1) = 'a', '1.0 ', '')"
    " || iif(substr(p.versions, 4, 1) = 'a', '1.1 ', '')"
    " || iif(substr(p.versions, 5, 1) = 'a', '1.2 ', '')"
    " || iif(substr(p.versions, 6, 1) = 'a', '1.3 ', '')), '') AS versions_accepted,"
    " (SELECT count(*) FROM finding AS f WHERE f.endpoint = e.id AND f.state = 'open'"
    " AND NOT f.waived) AS open_findings,"
    " " LABEL("owner") ", " LABEL("site") ", " LABEL(
        "role") " FROM place AS p JOIN endpoint AS e ON e.id = p.endpoint"
                " WHERE p.current AND e.first_seen IS NOT NULL;",

    "DROP VIEW IF EXISTS v_open_findings;"
    "CREATE VIEW v_open_findings AS SELECT e.key AS endpoint, e.host, e.protocol, "
    "e.port, f.rule,"
    " f.severity, f.title, iif(f.waived, 'waived', 'open') AS status, "
    "f.first_seen, f.last_seen,"
    " CAST(julianday((SELECT max(started) FROM run)) - julianday(f.first_seen) AS "
    "INTEGER)"
    " AS age_days, f.reopened AS times_reopened, f.unobserved AS "
    "not_observed_because,"
    " f.waiver, f.waiver_expires, f.waiver_reason, f.fingerprint,"
    " " LABEL("owner") ", " LABEL("site") ", " LABEL(
        "role") " FROM finding AS f JOIN endpoint AS e ON e.id = f.endpoint WHERE "
                "f.state = 'open';",

    "DROP VIEW IF EXISTS v_findings_by_rule;"
    "CREATE VIEW v_findings_by_rule AS SELECT rule, severity,"
    " sum(state = 'open' AND NOT waived) AS open, sum(state = 'open' "
    "AND waived) AS waived,"
    " sum(state = 'open' AND unobserved IS NOT NULL) AS not_observed,"
    " sum(state = 'resolved') AS resolved, sum(state = "
    "'not_applicable') AS not_applicable,"
    " min(first_seen) AS first_seen, max(last_seen) AS last_seen, "
    "max(title) AS title"
    " FROM finding GROUP BY rule, severity;",

    "DROP VIEW IF EXISTS v_history;"
    "CREATE VIEW v_history AS SELECT run.run_id, run.started, "
    "run.complete, run.recorded,"
    " run.answered, run.open_critical, run.open_high, run.open_medium, "
    "run.open_low,"
    " run.open_info, run.waived, run.not_observed,"
    " coalesce(sum(c.change = 'finding_new'), 0) AS new,"
    " coalesce(sum(c.change = 'finding_reopened'), 0) AS reopened,"
    " coalesce(sum(c.change = 'finding_resolved'), 0) AS resolved, "
    "run.changes"
    " FROM run LEFT JOIN change AS c ON c.run = run.id GROUP BY run.id;",

    "DROP VIEW IF EXISTS v_certificates;"
    "CREATE VIEW v_certificates AS SELECT e.key AS endpoint, p.ip, "
    "p.subject, p.issuer,"
    " p.not_after, CAST(julianday(p.not_after) - julianday((SELECT "
    "max(started) FROM run))"
    " AS INTEGER) AS days_left, p.certificate AS sha256, p.seen AS "
    "last_seen,"
    " " LABEL("owner") ", " LABEL("site") ", " LABEL(
        "role") " FROM place AS p JOIN endpoint AS e ON e.id = "
                "p.endpoint"
                " WHERE p.current AND p.certificate <> '';",

    "DROP VIEW IF EXISTS v_changes;"
    "CREATE VIEW v_changes AS SELECT c.time, c.change, "
    "c.cause, e.key AS endpoint, c.ip, c.rule,"
    " c.severity, json_extract(c.json, '$.title') AS title,"
    " json_extract(c.json, '$.before') AS before, "
    "json_extract(c.json, '$.after') AS after,"
    " json_extract(c.json, '$.reason') AS reason, "
    "c.fingerprint, run.run_id, c.seq,"
    " " LABEL("owner") ", " LABEL("site") ", " LABEL(
        "role") " FROM change AS c JOIN run ON run.id = "
                "c.run JOIN endpoint AS e ON e.id = "
                "c.endpoint;",

    "DROP VIEW IF EXISTS v_policies;"
    "CREATE VIEW v_policies AS SELECT "
    "v.policy, v.verdict, e.key AS endpoint, "
    "p.ip,"
    " run.started AS judged, " LABEL("owner") ", " LABEL("site") ", " LABEL("role") " FROM "
                                                                                    "policy_"
                                                                                    "verdict AS "
                                                                                    "v JOIN "
                                                                                    "place AS p "
                                                                                    "ON p.id = "
                                                                                    "v.place"
                                                                                    " JOIN "
                                                                                    "endpoint "
                                                                                    "AS e ON "
                                                                                    "e.id = "
                                                                                    "p.endpoint "
                                                                                    "JOIN run "
                                                                                    "ON run.id "
                                                                                    "= v.run "
                                                                                    "WHERE "
                                                                                    "p.current;",

    NULL};

/* --- the run that is being read ------------------------------------------------------------------ */

const char schema_staging[] =
    "CREATE TEMP TABLE IF NOT EXISTS seen ("
    " key TEXT NOT NULL, ip TEXT NOT NULL, protocol TEXT NOT NULL, mode TEXT NOT NULL,"
    " host TEXT NOT NULL, port INTEGER NOT NULL, label_text TEXT NOT NULL, status TEXT NOT NULL,"
    " time TEXT NOT NULL, labels TEXT, facts TEXT, trust TEXT, checks TEXT, reasons TEXT,"
    " observed_mode TEXT, starttls TEXT, cleartext_login TEXT, versions TEXT, certificate TEXT,"
    " subject TEXT, issuer TEXT, not_after TEXT, capabilities_before TEXT,"
    " capabilities_after TEXT, PRIMARY KEY (key, ip)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS temp.seen_host ON seen (host, ip);"
    "CREATE TEMP TABLE IF NOT EXISTS seen_finding ("
    " key TEXT NOT NULL, fingerprint TEXT NOT NULL, ip TEXT NOT NULL, rule TEXT NOT NULL,"
    " severity TEXT NOT NULL, title TEXT NOT NULL, waived INTEGER NOT NULL, waiver TEXT,"
    " waiver_expires TEXT, waiver_reason TEXT, timed INTEGER NOT NULL,"
    " PRIMARY KEY (key, fingerprint, ip)) WITHOUT ROWID;"
    "CREATE TEMP TABLE IF NOT EXISTS seen_policy ("
    " key TEXT NOT NULL, ip TEXT NOT NULL, policy TEXT NOT NULL, verdict TEXT NOT NULL,"
    " failing TEXT, unknown TEXT, PRIMARY KEY (key, ip, policy)) WITHOUT ROWID;"
    "CREATE TEMP TABLE IF NOT EXISTS aside ("
    " key TEXT NOT NULL, ip TEXT NOT NULL, reason TEXT NOT NULL, time TEXT NOT NULL,"
    " PRIMARY KEY (key, ip)) WITHOUT ROWID;"
    "CREATE TEMP TABLE IF NOT EXISTS waiver ("
    " waiver TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;";

const char schema_staging_clear[] =
    "DELETE FROM temp.seen; DELETE FROM temp.seen_finding; DELETE FROM temp.seen_policy;"
    "DELETE FROM temp.aside; DELETE FROM temp.waiver;";
