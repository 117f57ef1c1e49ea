// SPDX-License-Identifier: MIT
// rows.js: what the table and the summary need of an endpoint: a row.

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const VERDICTS = ["fail", "warn", "inconclusive", "not_tested", "pass", "not_applicable"];
const VERSIONS = ["ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3"];
const OLD = new Set(["ssl2.0", "ssl3.0", "1.0", "1.1"]);
const versionName = (v) => (v.startsWith("ssl") ? "SSL " + v.slice(3) : "TLS " + v);
const EXPIRY = [
    ["expired", "expired", 0],
    ["7d", "≤ 7 days", 7],
    ["14d", "≤ 14 days", 14],
    ["30d", "≤ 30 days", 30],
    ["90d", "≤ 90 days", 90],
    ["180d", "≤ 180 days", 180],
    ["1y", "≤ 1 year", 366],
    ["later", "later", Infinity],
];
const EXPIRY_NAMES = names(
    Object.fromEntries([...EXPIRY.map(([key, name]) => [key, name]), ["unknown", "not known"], ["none", "none sent"]])
);

const rules = new Map(); // id: {id, number, title, finding}

function ruleOf(finding) {
    const id = textOf(finding.rule);
    let rule = rules.get(id);
    if (!rule) rules.set(id, (rule = {id, title: textOf(finding.title), finding}));
    return rule;
}

/** The upgrade in a word, as at a terminal. */
function upgradeWord(endpoint, status, starttls, tls, unknown) {
    if (endpoint.observed_mode === undefined) return "";
    if (endpoint.observed_mode === "implicit") return status === "ok" ? "implicit" : "";
    if (!starttls || starttls.accepted === undefined) {
        const lost = status === "ok" && unknown.some((x) => x.path === "/starttls/accepted" && x.reason !== "not_asked");
        return lost || (starttls && isText(starttls.command)) ? "not known" : "";
    }
    if (!starttls.accepted) return starttls.advertised ? "refused" : "none";
    if (starttls.handshake === "failed") return "fails";
    if (starttls.handshake !== "ok" && !list(tls.versions_accepted).length) return "not known";
    return starttls.advertised === false ? "hidden" : "works";
}

/** What a login in clear led to; where none was tried, what is announced. */
function loginWord(endpoint, auth) {
    if (endpoint.observed_mode === undefined || endpoint.observed_mode === "implicit" || !auth) return "";
    if (auth.preauth === true) return "not needed";
    const verdict = object(auth.cleartext_login).verdict;
    if (verdict === "accepted" || verdict === "refused") return verdict;
    if (verdict === "inconclusive") return "not known";
    if (auth.login_disabled === null) return "not announced";
    const disabled = object(auth.login_disabled).before_tls;
    return disabled === undefined || disabled === null ? "" : disabled ? "disabled" : "offered";
}

/** Seen, or announced and not seen to be otherwise. */
function takesLogin(auth) {
    const verdict = object(object(auth).cleartext_login).verdict;
    return (
        verdict === "accepted" || (object(object(auth).login_disabled).before_tls === false && verdict !== "refused")
    );
}

const padded = (text) => text.slice(0, 120).replace(/\d+/g, (digits) => digits.padStart(10, "0"));
const certificates = new Map(); // by sha256: what is known of it, once

function certificateOf(certificate) {
    const sha = textOf(certificate.sha256);
    let known = certificates.get(sha);
    if (!known) {
        const after = timeOf(certificate.not_after);
        certificates.set(
            sha,
            (known = {
                sha,
                after,
                subject: textOf(certificate.subject_dn),
                issuer: textOf(certificate.issuer_dn),
                names: list(certificate.san_dns).filter(isText),
                search: "",
            })
        );
        known.search = [known.subject, known.issuer, ...known.names.slice(0, 40), sha].join(" ").toLowerCase();
    }
    return known;
}

function expiryOf(after, now) {
    if (isNaN(after)) return "unknown";
    const left = after - now;
    if (left <= 0) return "expired";
    return EXPIRY.find(([, , days]) => days && left <= days * DAY)[0];
}

const EXPECTED = "EXPECTED-SERVICE-SILENT";
const expectations = new WeakMap(); // by the checks, which many endpoints share

/** A service that should be there, as a label of its target says: is it? "": nothing is expected. */
function expectedOf(checks) {
    if (!checks || typeof checks !== "object") return "";
    if (!expectations.has(checks)) {
        const says = (verdict) => list(checks[verdict]).includes(EXPECTED);
        expectations.set(
            checks,
            says("fail")
                ? "silent"
                : says("pass")
                  ? "answered"
                  : says("not_tested") || says("inconclusive")
                    ? "not known"
                    : ""
        );
    }
    return expectations.get(checks);
}

function rowOf(raw, line, run) {
    const record = members(
        raw,
        "endpoint",
        "status",
        "error",
        "banner",
        "starttls",
        "auth",
        "tls",
        "policies",
        "findings",
        "unknown",
        "checks",
        "time"
    );
    const endpoint = object(record.endpoint);
    const tls = record.tls ? object(record.tls) : null;
    run.since = run.since || timeOf(record.time);
    const row = {
        line,
        said: null,
        key: textOf(endpoint.key),
        host: textOf(endpoint.host),
        ip: textOf(endpoint.ip),
        port: +endpoint.port || 0,
        protocol: textOf(endpoint.protocol),
        mode: textOf(endpoint.mode),
        observed: textOf(endpoint.observed_mode),
        status: textOf(record.status),
        labels: object(endpoint.labels),
        policies: objects(record.policies),
        counts: [0, 0, 0, 0, 0],
        waived: 0,
        found: [],
        worst: 5,
        versions: 0,
        unsure: 0,
        certificate: null,
        expiry: "",
        starttls: "",
        login: "",
        expected: expectedOf(record.checks),
        clear: 0,
        dark: 0,
        lacks: list(record.unknown).length,
    };
    row.starttls = upgradeWord(endpoint, row.status, record.starttls, object(record.tls), objects(record.unknown));
    row.login = loginWord(endpoint, record.auth);
    row.isClear = row.observed !== "" && row.observed !== "implicit";
    if (row.isClear && row.status === "ok") {
        row.clear = +takesLogin(record.auth);
        const starttls = object(record.starttls);
        row.dark = +(starttls.accepted === false || starttls.handshake === "failed");
    }
    if (tls) readTls(row, tls, run);
    for (const finding of objects(record.findings)) readFinding(row, finding);
    row.open = row.counts.reduce((sum, n) => sum + n, 0);
    row.sortHost = padded(row.host) + " " + padded(row.ip) + " " + String(row.port).padStart(5, "0");
    row.search = [
        row.key,
        row.ip,
        row.port,
        row.protocol,
        row.mode,
        row.status,
        row.starttls,
        row.login,
        textOf(record.banner).slice(0, 300),
        textOf(object(record.error).message).slice(0, 120),
        textOf(object(record.error).code),
        ...Object.entries(row.labels).map(([key, value]) => `${key}=${textOf(value)}`),
        ...row.found.map((f) => f.rule.id + " " + f.rule.title),
    ]
        .join(" ")
        .toLowerCase();
    return row;
}

function readTls(row, tls, run) {
    for (const version of list(tls.versions).map(object)) {
        const name = (version.protocol === "ssl" ? "ssl" : "") + version.version,
            bit = 1 << VERSIONS.indexOf(name);
        if (!VERSIONS.includes(name)) continue;
        if (version.status === "accepted") row.versions |= bit;
        else if (version.status !== "rejected") row.unsure |= bit;
    }
    row.hasVersions = Array.isArray(tls.versions);
    if (tls.certificate) {
        row.certificate = certificateOf(object(tls.certificate));
        row.expiry = expiryOf(row.certificate.after, asOf(run));
    } else if (tls.certificate === null) {
        row.expiry = "none";
    } else {
        row.expiry = "unknown";
    }
    const verify = object(tls.verify);
    row.untrusted = verify.trusted === false;
    row.trusted = verify.trusted === true;
    row.misnamed = verify.name_match === false;
}

function readFinding(row, finding) {
    const severity = SEVERITIES.indexOf(finding.severity),
        waived = finding.status === "waived";
    if (severity < 0) return;
    const waiver = object(finding.waiver);
    row.found.push({
        rule: ruleOf(finding),
        severity,
        waived,
        expired: waiver.expired === true,
        baseline: textOf(finding.baseline),
    });
    if (waived) {
        row.waived++;
    } else {
        row.counts[severity]++;
        row.worst = Math.min(row.worst, severity);
    }
}

/** The time that the run is judged by. */
const asOf = (run) => run.since || Date.now();
