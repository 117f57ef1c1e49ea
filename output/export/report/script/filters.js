// SPDX-License-Identifier: MIT
// filters.js: the run that is shown, and its filters: each is a question to a row, with a few words as its answer.

let run = null,
    rows = [],
    labelKeys = [];

function show(which) {
    run = which;
    rows = run.rows;
    const keys = new Map();
    for (const row of rows) for (const key of Object.keys(row.labels)) keys.set(key, (keys.get(key) || 0) + 1);
    labelKeys = [...keys.keys()]
        .filter((key) => key !== "expect")
        .sort((a, b) => keys.get(b) - keys.get(a) || (a < b ? -1 : 1))
        .slice(0, 12);
}

const hostId = (row) => (row.ip && row.ip !== row.host ? `${row.host}|${row.ip}` : row.host);
const hostLink = (row) => "#" + new URLSearchParams({h: hostId(row), e: row.key});

const some = (word) => word || "(none)";

const filters = [
    {
        key: "severity",
        name: "Severity",
        of: (row) => SEVERITIES.filter((_, i) => row.counts[i]),
        order: SEVERITIES,
        say: (v) => v,
    },
    {
        key: "rule",
        name: "Rule",
        of: (row) => row.found.map((f) => f.rule.id),
        note: (v) => (rules.has(v) ? rules.get(v).title : ""),
    },
    {key: "status", name: "Status", of: (row) => [row.status]},
    {key: "protocol", name: "Protocol", of: (row) => [row.protocol]},
    {key: "mode", name: "Mode", of: (row) => [row.mode]},
    {
        key: "version",
        name: "TLS version",
        of: (row) => VERSIONS.filter((_, i) => (row.versions >> i) & 1),
        order: VERSIONS,
        say: versionName,
    },
    {key: "starttls", name: "STARTTLS", of: (row) => [row.starttls], say: (v) => v || "does not apply"},
    {key: "login", name: "Login in clear", of: (row) => [row.login], say: (v) => v || "does not apply"},
    {
        key: "exposed",
        name: "Exposed",
        of: (row) => [row.clear && "login", row.dark && "no_tls"].filter(Boolean),
        order: ["login", "no_tls"],
        say: (v) => (v === "login" ? "takes or offers logins in clear" : "no working TLS"),
    },
    {
        key: "expiry",
        name: "Certificate",
        of: (row) => (row.expiry ? [row.expiry] : []),
        order: [...EXPIRY.map(([key]) => key), "unknown", "none"],
        say: (v) => EXPIRY_NAMES[v] || v,
    },
    {
        key: "verify",
        name: "Trust",
        of: (row) =>
            [
                row.untrusted && "untrusted",
                row.misnamed && "other_name",
                row.certificate && row.trusted && !row.misnamed && "fine",
                row.certificate && !row.trusted && !row.untrusted && !row.misnamed && "unknown",
            ].filter(Boolean),
        say: (v) =>
            v === "untrusted"
                ? "not trusted"
                : v === "other_name"
                  ? "for another name"
                  : v === "unknown"
                    ? "not known"
                    : "nothing against it",
    },
    {
        key: "policy",
        name: "Policy",
        of: (row) => row.policies.map((p) => `${textOf(p.name)}: ${words(textOf(p.verdict))}`),
    },
    {
        key: "finding",
        name: "Marks",
        of: (row) => [
            ...new Set(
                row.found.flatMap((f) =>
                    [
                        f.waived && "waived",
                        f.expired && "waiver expired",
                        f.baseline && "baseline: " + f.baseline,
                    ].filter(Boolean)
                )
            ),
        ],
    },
    {
        key: "expected",
        name: "Expected",
        of: (row) => (row.expected ? [row.expected] : []),
        order: ["silent", "not known", "answered"],
    },
];
const special = [
    {
        key: "clause",
        name: "Clause",
        of: () => [],
        has: (row, v) => hasClause(row, v),
        say: (v) => v.split("\n").slice(0, 2).join(": ") + " is " + words(v.split("\n")[2]),
    },
    {
        key: "certificate",
        name: "Certificate",
        of: (row) => (row.certificate ? [row.certificate.sha] : []),
        say: (v) => (certificates.has(v) ? certificates.get(v).subject || v : v),
    },
    {
        key: "unknown",
        name: "Not known",
        of: (row) => (row.lacks ? ["some"] : []),
        say: () => "some facts are not known",
    },
];

function labelFilters() {
    return labelKeys.map((key) => ({
        key: "label." + key,
        name: key,
        label: true,
        of: (row) => [isText(row.labels[key]) ? row.labels[key] : ""],
        say: some,
    }));
}

function hasClause(row, wanted) {
    const [policy, clause, verdict] = wanted.split("\n");
    return row.policies.some((p) => p.name === policy && list(object(p.clauses)[verdict]).includes(clause));
}

const allFilters = () => [...filters, ...labelFilters(), ...special];
const sayOf = (filter, value) => (filter.say ? filter.say(value) : words(some(value)));
