// SPDX-License-Identifier: MIT
// The report: reads the records in this page, and shows them. Text of records becomes text nodes, never markup.
(() => {
"use strict";

// --- elements ---------------------------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id);

/** An element: h("a.badge", {href: "#"}, "text", child, …). Children that are null are left out. */
function h(name, ...children) {
    const [tag, ...classes] = name.split(".");
    const element = document.createElement(tag);
    if (classes.length)
        element.className = classes.join(" ");
    if (children[0] && children[0].constructor === Object) {
        const attributes = children.shift();
        for (const key of Object.keys(attributes)) {
            const value = attributes[key];
            if (key.startsWith("on"))
                element.addEventListener(key.slice(2), value);
            else if (value !== null && value !== undefined && value !== false)
                element.setAttribute(key, value === true ? "" : value);
        }
    }
    add(element, children);
    return element;
}

function empty(element) {
    element.replaceChildren();
    return element;
}

function add(element, children) {
    for (const child of children)
        if (Array.isArray(child))
            add(element, child);
        else if (child !== null && child !== undefined && child !== false)
            element.append(child);
    return element;
}

const ODD = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]|\p{M}{4,}/gu;
const ODD_ONCE = new RegExp(ODD.source, "u");
const ODD_NAMES = {0x09: "tab", 0x0a: "line feed", 0x0d: "carriage return", 0x1b: "escape", 0xad: "soft hyphen",
    0x200b: "zero width space", 0x200c: "zero width non-joiner", 0x200d: "zero width joiner", 0x200e: "left-to-right mark",
    0x200f: "right-to-left mark", 0x202a: "left-to-right embedding", 0x202b: "right-to-left embedding",
    0x202c: "pop directional formatting", 0x202d: "left-to-right override", 0x202e: "right-to-left override",
    0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate", 0x2068: "first strong isolate",
    0x2069: "pop directional isolate", 0xfeff: "byte order mark"};

const codeOf = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** Puts text of records into an element: what cannot be seen is shown by its number. */
function spell(element, text, block) {
    let from = 0;
    if (ODD_ONCE.test(text))
        for (const match of text.matchAll(ODD)) {
            if (block && (match[0] === "\n" || match[0] === "\t"))
                continue;
            element.append(text.slice(from, match.index));
            for (const character of [...match[0]].slice(0, 8))
                element.append(h("span.odd", {title: ODD_NAMES[character.codePointAt(0)]}, codeOf(character)));
            from = match.index + match[0].length;
        }
    element.append(text.slice(from));
}

/** Text of records as an element; what is long is cut, and can be had whole. */
function net(text, {most = 600, block = false, tag = "span"} = {}) {
    const whole = typeof text === "object" ? JSON.stringify(text) : String(text);
    const element = h(tag + ".net" + (block ? ".block" : ""));
    if (whole.length <= most * 1.2) {
        spell(element, whole, block);
        return element;
    }
    let end = most;
    if (/[\ud800-\udbff]/.test(whole[end - 1]))
        end--;
    spell(element, whole.slice(0, end), block);
    element.append("… ", h("button.more", {type: "button", onclick(event) {
        event.stopPropagation();
        element.replaceChildren();
        spell(element, whole, block);
        element.tabIndex = -1;
        element.focus();
    }}, `all ${count(whole.length)} characters`));
    return element;
}

/** The same for attributes and titles. */
const flat = (value, most = 200) => {
    const short = (value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value)).slice(0, most);
    return short.replace(ODD, (odd) => [...odd].map((c) => `<${codeOf(c)}>`).join(""));
};

/** A table of our own that is asked with words of records: nothing is inherited. */
const names = (from) => Object.assign(Object.create(null), from);

const flatOrText = (value) => isText(value) ? value : flat(value);

const number = new Intl.NumberFormat("en");
const count = (n) => number.format(n);
const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;
const share = (part, whole) => whole ? (part === whole ? "100" : part && part / whole < 0.01 ? "<1" : Math.floor(100 * part / whole)) + " %" : "";
const words = (name) => String(name).replace(/_/g, " ");
const isText = (value) => typeof value === "string";
const list = (value) => Array.isArray(value) ? value : [];
const object = (value) => value && typeof value === "object" && !Array.isArray(value) ? value : {};
const objects = (value) => Array.isArray(value) && !value.every((item) => item && typeof item === "object" && !Array.isArray(item)) ? value.map(object) : list(value);
const texts = (value) => list(value).filter(isText);
const textOf = (value) => isText(value) ? value : "";

const DAY = 86400000;
const timeOf = (text) => isText(text) ? Date.parse(text) : NaN;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
function day(text) {
    const time = timeOf(text), date = new Date(time);
    return isNaN(time) ? flat(textOf(text) || "unknown", 40) : `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}
const moment = (text) => isNaN(timeOf(text)) ? day(text) : `${day(text)}, ${new Date(timeOf(text)).toISOString().slice(11, 16)} UTC`;
function lasted(ms) {
    if (ms < 1000)
        return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    return s < 60 ? `${s.toFixed(1)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}

// --- data: lines of JSON, of which each is read when it is needed (intern.h) ------------------------------------------

const values = [], read = [], shapes = [];
const runs = [];

function expand(value) {
    if (isText(value))
        return value[0] !== "~" ? value : value[1] === "~" ? value.slice(1) : valueAt(+value.slice(1));
    if (!Array.isArray(value))
        return value;
    const kind = value[0];
    if (kind === 0)
        return value.slice(1).map(expand);
    const result = {};
    if (kind > 0)
        shapes[kind - 1].forEach((name, i) => set(result, name, expand(value[i + 1])));
    else
        for (let i = 1; i < value.length; i += 2)
            set(result, value[i], expand(value[i + 1]));
    return result;
}

function set(target, name, value) {
    if (name === "__proto__")
        Object.defineProperty(target, name, {value, enumerable: true});
    else
        target[name] = value;
}

function valueAt(n) {
    if (read[n] === undefined)
        read[n] = expand(JSON.parse(values[n]));
    return read[n];
}

/** Some members of a record; the others stay unread. */
function members(raw, ...names) {
    const result = {};
    const shape = raw[0] > 0 ? shapes[raw[0] - 1] : null;
    for (const name of names) {
        const at = shape ? shape.indexOf(name) + 1 : raw.indexOf(name, 1) + 1;
        if (at > 0)
            result[name] = expand(raw[at]);
    }
    return result;
}

const RECORD = '{"record":', SAID = '{"transcript":', SHAPE = '{"shape":';
const lineValue = (line, key) => JSON.parse(line.slice(key.length, -1));

/** The whole record of a row. */
function recordOf(row) {
    const record = expand(lineValue(row.line, RECORD));
    if (row.said)
        record.transcript = expand(lineValue(row.said, SAID));
    return record;
}

function runOf() {
    if (!runs.length)
        runs.push({start: null, end: null, rows: [], notAsked: []});
    return runs[runs.length - 1];
}

function takeLine(line) {
    if (line.startsWith(RECORD)) {
        takeRecord(line, lineValue(line, RECORD));
    } else if (line.startsWith(SAID)) {
        const rows = runOf().rows;
        if (rows.length)
            rows[rows.length - 1].said = line;
    } else if (line.startsWith(SHAPE)) {
        shapes.push(lineValue(line, SHAPE));
    } else {
        values.push(line);
    }
}

function takeRecord(line, raw) {
    const type = members(raw, "type").type;
    if (type === "run_start")
        runs.push({start: expand(raw), end: null, rows: [], notAsked: []});
    else if (type === "run_end")
        runOf().end = expand(raw);
    else if (type === "not_asked")
        runOf().notAsked.push(expand(raw));
    else if (type === "endpoint")
        runOf().rows.push(rowOf(raw, line, runOf()));
}

const pause = () => new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(0);
});

const SLICE = 14; // ms of work before the browser may do something else

/** Reads all blocks of data, a slice at a time. */
async function readAll() {
    let since = performance.now();
    for (const block of document.querySelectorAll("script.data")) {
        const lines = block.textContent.split("\n");
        block.remove();
        for (let i = 1; i < lines.length - 1; i++) {
            takeLine(lines[i].slice(0, -1));
            if ((i & 15) === 0 && performance.now() - since > SLICE) {
                await pause();
                since = performance.now();
            }
        }
    }
}

// --- rows: what the table and the summary need of an endpoint ----------------------------------------------------------

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const VERDICTS = ["fail", "warn", "inconclusive", "not_tested", "pass", "not_applicable"];
const VERSIONS = ["ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3"];
const OLD = new Set(["ssl2.0", "ssl3.0", "1.0", "1.1"]);
const versionName = (v) => v.startsWith("ssl") ? "SSL " + v.slice(3) : "TLS " + v;
const EXPIRY = [["expired", "expired", 0], ["7d", "≤ 7 days", 7], ["14d", "≤ 14 days", 14], ["30d", "≤ 30 days", 30], ["90d", "≤ 90 days", 90],
    ["180d", "≤ 180 days", 180], ["1y", "≤ 1 year", 366], ["later", "later", Infinity]];
const EXPIRY_NAMES = names(Object.fromEntries([...EXPIRY.map(([key, name]) => [key, name]), ["unknown", "not known"], ["none", "none sent"]]));

const rules = new Map(); // id: {id, number, title, finding}

function ruleOf(finding) {
    const id = textOf(finding.rule);
    let rule = rules.get(id);
    if (!rule)
        rules.set(id, rule = {id, title: textOf(finding.title), finding});
    return rule;
}

/** The upgrade in a word, as at a terminal. */
function upgradeWord(endpoint, status, starttls) {
    if (endpoint.observed_mode === undefined)
        return "";
    if (endpoint.observed_mode === "implicit")
        return status === "ok" ? "implicit" : "";
    if (!starttls || starttls.accepted === undefined)
        return starttls && isText(starttls.command) ? "not known" : "";
    if (!starttls.accepted)
        return starttls.advertised ? "refused" : "none";
    if (starttls.handshake === "failed")
        return "fails";
    return starttls.advertised === false ? "hidden" : "works";
}

/** What a login in clear led to; where none was tried, what is announced. */
function loginWord(endpoint, auth) {
    if (endpoint.observed_mode === undefined || endpoint.observed_mode === "implicit" || !auth)
        return "";
    if (auth.preauth === true)
        return "not needed";
    const verdict = object(auth.cleartext_login).verdict;
    if (verdict === "accepted" || verdict === "refused")
        return verdict;
    if (verdict === "inconclusive")
        return "not known";
    if (auth.login_disabled === null)
        return "not announced";
    const disabled = object(auth.login_disabled).before_tls;
    return disabled === undefined || disabled === null ? "" : disabled ? "disabled" : "offered";
}

/** Seen, or announced and not seen to be otherwise. */
function takesLogin(auth) {
    const verdict = object(object(auth).cleartext_login).verdict;
    return verdict === "accepted" || (object(object(auth).login_disabled).before_tls === false && verdict !== "refused");
}

const padded = (text) => text.slice(0, 120).replace(/\d+/g, (digits) => digits.padStart(10, "0"));
const certificates = new Map(); // by sha256: what is known of it, once

function certificateOf(certificate) {
    const sha = textOf(certificate.sha256);
    let known = certificates.get(sha);
    if (!known) {
        const after = timeOf(certificate.not_after);
        certificates.set(sha, known = {sha, after, subject: textOf(certificate.subject_dn), issuer: textOf(certificate.issuer_dn),
            names: list(certificate.san_dns).filter(isText), search: ""});
        known.search = [known.subject, known.issuer, ...known.names.slice(0, 40), sha].join(" ").toLowerCase();
    }
    return known;
}

function expiryOf(after, now) {
    if (isNaN(after))
        return "unknown";
    const left = after - now;
    if (left <= 0)
        return "expired";
    return EXPIRY.find(([, , days]) => days && left <= days * DAY)[0];
}

function rowOf(raw, line, run) {
    const record = members(raw, "endpoint", "status", "error", "banner", "starttls", "auth", "tls", "policies", "findings", "unknown", "time");
    const endpoint = object(record.endpoint);
    const tls = record.tls ? object(record.tls) : null;
    const row = {line, said: null, key: textOf(endpoint.key), host: textOf(endpoint.host), ip: textOf(endpoint.ip), port: +endpoint.port || 0,
        protocol: textOf(endpoint.protocol), mode: textOf(endpoint.mode), observed: textOf(endpoint.observed_mode), status: textOf(record.status),
        labels: object(endpoint.labels), policies: objects(record.policies), counts: [0, 0, 0, 0, 0], waived: 0, found: [], worst: 5,
        versions: 0, unsure: 0, certificate: null, expiry: "", starttls: "", login: "", clear: 0, dark: 0, lacks: list(record.unknown).length};
    row.starttls = upgradeWord(endpoint, row.status, record.starttls);
    row.login = loginWord(endpoint, record.auth);
    row.isClear = row.observed !== "" && row.observed !== "implicit";
    if (row.isClear && row.status === "ok") {
        row.clear = +takesLogin(record.auth);
        const starttls = object(record.starttls);
        row.dark = +(starttls.accepted === false || starttls.handshake === "failed");
    }
    if (tls)
        readTls(row, tls, run);
    for (const finding of objects(record.findings))
        readFinding(row, finding);
    row.open = row.counts.reduce((sum, n) => sum + n, 0);
    row.sortHost = padded(row.host) + " " + padded(row.ip) + " " + String(row.port).padStart(5, "0");
    row.search = [row.key, row.ip, row.port, row.protocol, row.mode, row.status, row.starttls, row.login, textOf(record.banner).slice(0, 300),
        textOf(object(record.error).message).slice(0, 120), textOf(object(record.error).code), ...Object.entries(row.labels).map(([key, value]) => `${key}=${textOf(value)}`),
        ...row.found.map((f) => f.rule.id + " " + f.rule.title)].join(" ").toLowerCase();
    return row;
}

function readTls(row, tls, run) {
    for (const version of list(tls.versions).map(object)) {
        const name = (version.protocol === "ssl" ? "ssl" : "") + version.version, bit = 1 << VERSIONS.indexOf(name);
        if (!VERSIONS.includes(name))
            continue;
        if (version.status === "accepted")
            row.versions |= bit;
        else if (version.status !== "rejected")
            row.unsure |= bit;
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
    row.misnamed = verify.name_match === false;
}

function readFinding(row, finding) {
    const severity = SEVERITIES.indexOf(finding.severity), waived = finding.status === "waived";
    if (severity < 0)
        return;
    const waiver = object(finding.waiver);
    row.found.push({rule: ruleOf(finding), severity, waived, expired: waiver.expired === true, baseline: textOf(finding.baseline)});
    if (waived) {
        row.waived++;
    } else {
        row.counts[severity]++;
        row.worst = Math.min(row.worst, severity);
    }
}

/** The time that the run is judged by. */
const asOf = (run) => timeOf(object(run.start).started) || timeOf(object(run.end).time) || Date.now();

// --- the run that is shown ---------------------------------------------------------------------------------------------

let run = null, rows = [], labelKeys = [];

function show(which) {
    run = which;
    rows = run.rows;
    const keys = new Map();
    for (const row of rows)
        for (const key of Object.keys(row.labels))
            keys.set(key, (keys.get(key) || 0) + 1);
    labelKeys = [...keys.keys()].filter((key) => key !== "expect").sort((a, b) => keys.get(b) - keys.get(a) || (a < b ? -1 : 1)).slice(0, 12);
}

const hostId = (row) => row.ip && row.ip !== row.host ? `${row.host}|${row.ip}` : row.host;
const hostLink = (row) => "#" + new URLSearchParams({h: hostId(row), e: row.key});

// --- filters: each is a question to a row with a few words as its answer -----------------------------------------------

const some = (word) => word || "(none)";

const filters = [
    {key: "severity", name: "Severity", of: (row) => SEVERITIES.filter((_, i) => row.counts[i]), order: SEVERITIES, say: (v) => v},
    {key: "rule", name: "Rule", of: (row) => row.found.map((f) => f.rule.id), note: (v) => rules.has(v) ? rules.get(v).title : ""},
    {key: "status", name: "Status", of: (row) => [row.status]},
    {key: "protocol", name: "Protocol", of: (row) => [row.protocol]},
    {key: "mode", name: "Mode", of: (row) => [row.mode]},
    {key: "version", name: "TLS version", of: (row) => VERSIONS.filter((_, i) => row.versions >> i & 1), order: VERSIONS, say: versionName},
    {key: "starttls", name: "STARTTLS", of: (row) => [row.starttls], say: (v) => v || "does not apply"},
    {key: "login", name: "Login in clear", of: (row) => [row.login], say: (v) => v || "does not apply"},
    {key: "exposed", name: "Exposed", of: (row) => [row.clear && "login", row.dark && "no_tls"].filter(Boolean), order: ["login", "no_tls"],
        say: (v) => v === "login" ? "takes or offers logins in clear" : "no working TLS"},
    {key: "expiry", name: "Certificate", of: (row) => row.expiry ? [row.expiry] : [], order: [...EXPIRY.map(([key]) => key), "unknown", "none"], say: (v) => EXPIRY_NAMES[v] || v},
    {key: "verify", name: "Trust", of: (row) => [row.untrusted && "untrusted", row.misnamed && "other_name", row.certificate && !row.untrusted && !row.misnamed && "fine"].filter(Boolean),
        say: (v) => v === "untrusted" ? "not trusted" : v === "other_name" ? "for another name" : "nothing against it"},
    {key: "policy", name: "Policy", of: (row) => row.policies.map((p) => `${textOf(p.name)}: ${words(textOf(p.verdict))}`)},
    {key: "finding", name: "Marks", of: (row) => [...new Set(row.found.flatMap((f) => [f.waived && "waived", f.expired && "waiver expired", f.baseline && "baseline: " + f.baseline].filter(Boolean)))]},
    {key: "expected", name: "Expected", of: (row) => expectedOf(row) ? [expectedOf(row)] : [], order: ["silent", "not known", "answered"]},
];
const special = [
    {key: "clause", name: "Clause", of: () => [], has: (row, v) => hasClause(row, v), say: (v) => v.split("\n").slice(0, 2).join(": ") + " is " + words(v.split("\n")[2])},
    {key: "certificate", name: "Certificate", of: (row) => row.certificate ? [row.certificate.sha] : [], say: (v) => certificates.has(v) ? certificates.get(v).subject || v : v},
    {key: "unknown", name: "Not known", of: (row) => row.lacks ? ["some"] : [], say: () => "some facts are not known"},
];

const ANSWERS = new Set(["ok", "refused", "protocol_mismatch", "tls_error"]);
/** A service that a label says should be there: is it? */
function expectedOf(row) {
    const label = row.labels.expect;
    if (!isText(label) || /^(no|false|0)$/.test(label))
        return "";
    return ANSWERS.has(row.status) || (row.status === "error" && row.observed) ? "answered" : row.status === "dns_error" || row.status === "error" ? "not known" : "silent";
}

function labelFilters() {
    return labelKeys.map((key) => ({key: "label." + key, name: key, label: true, of: (row) => [isText(row.labels[key]) ? row.labels[key] : ""], say: some}));
}

function hasClause(row, wanted) {
    const [policy, clause, verdict] = wanted.split("\n");
    return row.policies.some((p) => p.name === policy && list(object(p.clauses)[verdict]).includes(clause));
}

const allFilters = () => [...filters, ...labelFilters(), ...special];
const sayOf = (filter, value) => (filter.say ? filter.say(value) : words(some(value)));

// --- where we are: the hash of the address ------------------------------------------------------------------------------

let place = null, lastTable = "#v=endpoints";

function placeOf(hash) {
    const parameters = new URLSearchParams(hash.replace(/^#/, ""));
    const chosen = new Map();
    for (const filter of allFilters()) {
        const wanted = parameters.getAll(filter.key);
        if (wanted.length)
            chosen.set(filter.key, new Set(wanted));
    }
    const view = ["summary", "endpoints", "findings", "policies", "run"].find((v) => v === parameters.get("v"));
    return {host: parameters.get("h"), endpoint: parameters.get("e"), view: parameters.has("h") ? "host" : view || "summary", q: parameters.get("q") || "",
        sort: parameters.get("sort") || "worst", group: parameters.get("group") || "", chosen, focus: parameters.get("on") || ""};
}

function hashOf(to) {
    const parameters = new URLSearchParams();
    parameters.set("v", to.view);
    if (to.q)
        parameters.set("q", to.q);
    for (const [key, wanted] of to.chosen || [])
        for (const value of wanted)
            parameters.append(key, value);
    if (to.sort && to.sort !== "worst")
        parameters.set("sort", to.sort);
    if (to.group)
        parameters.set("group", to.group);
    return "#" + parameters;
}

/** A link to the table with one filter set. */
const only = (...pairs) => {
    const parameters = new URLSearchParams({v: "endpoints"});
    for (let i = 0; i < pairs.length; i += 2)
        parameters.append(pairs[i], pairs[i + 1]);
    return "#" + parameters;
};

function change(changes, replace) {
    const hash = hashOf({...place, ...changes});
    if (hash !== location.hash)
        history[replace ? "replaceState" : "pushState"](null, "", hash);
    go(false);
}

const TABS = [["summary", "Summary"], ["endpoints", "Endpoints"], ["findings", "Findings"], ["policies", "Policies"], ["run", "This run"]];
const title = byId("title").textContent;
spell(empty(byId("title")), title);

function go(moveFocus) {
    const before = place;
    place = placeOf(location.hash);
    if (place.view === "endpoints")
        lastTable = location.hash || "#v=endpoints";
    document.body.classList.toggle("on-host", place.view === "host");
    byId("lead").classList.toggle("slim", place.view !== "summary");
    for (const view of document.querySelectorAll(".view"))
        view.hidden = view.id !== "view-" + place.view;
    for (const tab of byId("tabs").children)
        if (tab.dataset.view === (place.view === "host" ? "endpoints" : place.view))
            tab.setAttribute("aria-current", "page");
        else
            tab.removeAttribute("aria-current");
    const find = byId("find");
    if (find.value !== place.q && document.activeElement !== find)
        find.value = place.q;
    let heading = TABS.find(([view]) => view === place.view);
    heading = heading ? heading[1] : "Host";
    if (place.view === "host") {
        heading = openHost(place.host, place.endpoint);
    } else {
        closeHost();
        if (place.view === "endpoints")
            table.update();
        else if (place.view === "findings")
            openRule(place.chosen.get("rule"));
        else if (place.view === "policies")
            openPolicy(place.focus);
    }
    document.title = place.view === "summary" ? flat(title) : `${flat(heading)} – ${flat(title)}`;
    if (moveFocus && (!before || before.view !== place.view || before.host !== place.host))
        arrive(before, heading);
}

/** After a change of view: its top, its heading, and a word for those who listen. */
function arrive(before, heading) {
    if (before && before.view === "host" && place.view === "endpoints" && table.returnTo(before)) {
        say(`Endpoints, ${plural(table.found, "endpoint")}`);
        return;
    }
    const head = document.querySelector(`#view-${place.view} h2`);
    if (!(place.view === "host" && place.endpoint && scrollToEndpoint(place.endpoint)))
        scrollTo(0, 0);
    if (head && before) {
        head.tabIndex = -1;
        head.focus({preventScroll: true});
        say(flat(heading));
    }
}

function say(text) {
    byId("live").textContent = text;
}

// --- marks --------------------------------------------------------------------------------------------------------------

const KINDS = new Set([...SEVERITIES, ...VERDICTS, "waived"]);
const badge = (kind, text = flat(words(textOf(kind) || "not known"), 40)) => h("span.badge." + (KINDS.has(kind) ? kind : "info"), text);
const severityBadge = (i) => i < 5 ? badge(SEVERITIES[i]) : h("span.badge.empty", "none");
const openMark = (text) => h("span.t-open", text);

const WORD_CLASS = names({works: "t-good", implicit: "t-good", hidden: "t-warn", none: "t-bad", refused: "t-bad", fails: "t-bad", "not known": "t-open"});
const LOGIN_CLASS = names({accepted: "t-bad", "not needed": "t-bad", offered: "t-warn", refused: "t-good", disabled: "t-good", "not known": "t-open"});
const word = (text, classes) => text ? h("span." + (classes[text] || "t-plain"), text) : h("span.t-soft", {"aria-label": "does not apply"}, "–");

function versionTags(row) {
    if (!row.hasVersions)
        return h("span.t-soft", {"aria-label": "does not apply"}, "–");
    const tags = h("span.tags");
    VERSIONS.forEach((version, i) => {
        if (row.versions >> i & 1)
            tags.append(h("span.tag" + (OLD.has(version) ? ".old" : ""), version.startsWith("ssl") ? "SSL" + version.slice(3, 4) : version));
    });
    if (row.unsure)
        tags.append(h("span.tag.ask", {title: "of some versions it is not known whether they are accepted"}, "?"));
    return tags.childNodes.length ? tags : h("span.t-soft", "none");
}

function daysLeft(row) {
    if (!row.certificate)
        return row.expiry === "none" ? h("span.t-bad", "none sent") : row.expiry ? openMark("not known") : h("span.t-soft", {"aria-label": "does not apply"}, "–");
    if (isNaN(row.certificate.after))
        return openMark("not known");
    const days = Math.floor((row.certificate.after - asOf(run)) / DAY);
    const text = row.certificate.after <= asOf(run) ? `expired ${days === 0 ? "today" : `${count(-days)} d ago`}` : days > 730 ? `${Math.floor(days / 365)} years` : plural(days, "day");
    return h("span." + (row.expiry === "expired" ? "t-bad" : ["7d", "14d"].includes(row.expiry) ? "t-warn" : "t-plain"), text);
}

/** The worst of all policies. */
function policyWord(row) {
    const verdicts = row.policies.map((p) => textOf(p.verdict));
    const worst = VERDICTS.find((v) => verdicts.includes(v));
    if (!worst)
        return h("span.t-soft", {"aria-label": "no policies"}, "–");
    const many = verdicts.filter((v) => v === worst).length;
    return badge(worst, words(worst) + (row.policies.length > 1 ? ` ${many}/${row.policies.length}` : ""));
}

// --- charts --------------------------------------------------------------------------------------------------------------

/** parts: [{n, fill, name, href}] */
function stack(parts, total, tall) {
    const whole = total || parts.reduce((sum, part) => sum + part.n, 0);
    const bar = h("div.stack" + (tall ? ".tall" : ""), {role: "img", "aria-label": parts.filter((p) => p.n).map((p) => `${p.name}: ${count(p.n)}`).join(", ") || "none"});
    for (const part of parts) {
        if (!part.n)
            continue;
        const piece = h("span.f-" + part.fill, {title: `${part.name}: ${count(part.n)} (${share(part.n, whole)})`});
        piece.style.flex = `${part.n} 0 0`;
        bar.append(piece);
    }
    return bar;
}

function legend(parts) {
    return h("div.legend", parts.filter((part) => part.n || part.always).map((part) =>
        h(part.href && part.n ? "a.key" : "span.key", part.href && part.n ? {href: part.href} : {}, h("i.f-" + part.fill), h("b", count(part.n)), " ", part.name)));
}

/** A row of a bar chart: name, a bar of parts in relation to most, a number; a link if it leads somewhere. */
function bar(name, parts, most, amount, href) {
    const track = h("span.track", {"aria-hidden": "true"});
    let sum = 0;
    for (const part of parts) {
        sum += part.n;
        if (part.n) {
            const piece = h("span.f-" + part.fill, {title: part.name ? `${part.name}: ${count(part.n)}` : null});
            piece.style.width = `${100 * part.n / (most || 1)}%`;
            track.append(piece);
        }
    }
    return h(href ? "a" : "div", href ? {href} : {}, h("span.name", name), track, h("span.num", amount === undefined ? count(sum) : amount));
}

const card = (width, heading, sub, ...children) => h("section.card." + width, h("h3", heading), sub ? h("p.sub", sub) : null, ...children);
const tally = (items, of) => {
    const counts = new Map();
    for (const item of items)
        for (const value of of(item))
            counts.set(value, (counts.get(value) || 0) + 1);
    return counts;
};

// --- header ---------------------------------------------------------------------------------------------------------------

function drawHeader() {
    const start = object(run.start), end = object(run.end);
    const scanner = object(start.scanner), ruleset = object(start.ruleset);
    add(byId("meta"), [
        run.start ? h("span", "Scan of ", h("b", moment(start.started))) : h("span", "A scan without a beginning"),
        run.end && isFinite(end.duration_ms) ? h("span", "took ", h("b", lasted(end.duration_ms))) : null,
        run.end && end.complete === true && !start.shard ? h("span.badge.pass", "complete") : h("span.badge.fail", "not complete"),
        run.start ? h("span", "scanner ", h("b", net(textOf(scanner.version) || "unknown", {most: 40}))) : null,
        ruleset.version ? h("span", "rules ", h("b", net(textOf(ruleset.version), {most: 40}))) : null,
        list(start.policies).length ? h("span", plural(start.policies.length, "policy", "policies") + ": ", h("b", net(objects(start.policies).map((p) => textOf(p.name)).join(", "), {most: 300}))) : null,
        run.start ? h("span", "run ", h("b.mono", net(textOf(start.run_id), {most: 60}))) : null,
    ]);
    drawNotices(start, end);
}

const STOPPED = names({signal: "it was stopped by a signal", deadline: "its time was over", input_error: "its targets could not be read", output_error: "its records could not be written",
    error: "an error stopped it", shards_missing: "shards of it are missing"});

function notice(kind, bold, text, ...more) {
    byId("notices").append(h("div.notice" + kind, {role: "note"}, h("b", bold), h("span", text), ...more));
}

function drawNotices(start, end) {
    if (!run.end)
        notice(".bad", "Not complete.", "The records end without the end of the run: it was interrupted. What is not in this report was perhaps not asked yet.");
    else if (end.complete !== true)
        notice(".bad", "Not complete.", `This run did not come to its end: ${STOPPED[end.stopped_by] || "the reason is not known"}. What is not in this report was perhaps not asked.`);
    if (start.shard)
        notice(".bad", "One shard only.", `This is shard ${Number(start.shard.index) + 1} of ${Number(start.shard.count)}: hosts of the other shards are not here. “starttls-audit merge” puts them together.`);
    if (run.end && isFinite(object(end.endpoints).recorded) && end.endpoints.recorded !== rows.length)
        notice(".bad", "Records are missing.", `The run wrote ${plural(end.endpoints.recorded, "endpoint")}, and ${count(rows.length)} are here.`);
    if (runs.length > 1) {
        const choice = h("select", {"aria-label": "The run that is shown", onchange(event) {
            show(runs[+event.target.value]);
            redraw();
        }}, runs.map((r, i) => h("option", {value: i, selected: r === run}, `${moment(object(r.start).started)}, ${plural(r.rows.length, "endpoint")}`)));
        notice(".calm", `${count(runs.length)} runs.`, run === runs[runs.length - 1] ? "The records hold several runs; the last one is shown." : "The records hold several runs; this is not the last one.", choice);
    }
    if (!rows.length)
        notice("", "No endpoints.", "Nothing was recorded in this run.");
}

// --- summary ----------------------------------------------------------------------------------------------------------------

function totals() {
    const t = {open: [0, 0, 0, 0, 0], waived: 0, expired: 0, fresh: 0, known: 0, clear: 0, dark: 0, lacks: 0, isClear: 0};
    for (const row of rows) {
        row.counts.forEach((n, i) => { t.open[i] += n; });
        t.waived += row.waived;
        t.clear += row.clear;
        t.dark += row.dark;
        t.isClear += +(row.isClear && row.status === "ok");
        t.lacks += +(row.lacks > 0);
        for (const f of row.found) {
            t.expired += +f.expired;
            t.fresh += +(f.baseline === "new");
            t.known += +(f.baseline === "known");
        }
    }
    t.all = t.open.reduce((sum, n) => sum + n, 0);
    t.hosts = new Set(rows.map(hostId)).size;
    const hosts = object(object(run.end).hosts);
    t.scanned = isFinite(hosts.scanned) ? hosts.scanned : null;
    t.answered = isFinite(hosts.answered) ? hosts.answered : null;
    t.certificates = new Map();
    for (const row of rows)
        if (row.certificate)
            t.certificates.set(row.certificate, (t.certificates.get(row.certificate) || 0) + 1);
    t.expiry = tally([...t.certificates.keys()], (c) => [expiryOf(c.after, asOf(run))]);
    t.soon = ["7d", "14d", "30d"].reduce((sum, key) => sum + (t.expiry.get(key) || 0), 0);
    t.statuses = new Map(objects(object(object(run.end).endpoints).by_status).map((item) => [textOf(item.status), +item.count || 0]));
    if (!run.end)
        t.statuses = tally(rows, (row) => [row.status]);
    t.asked = [...t.statuses.values()].reduce((sum, n) => sum + n, 0);
    t.expected = tally(rows, (row) => expectedOf(row) ? [expectedOf(row)] : []);
    return t;
}

const tile = (kind, label, big, of, note, href) => h((href ? "a" : "div") + ".tile" + kind, href ? {href} : {}, h("span.label", label), h("span.big", big, of ? h("small", " " + of) : null), h("span.note", note));

function drawSummary(t) {
    const bad = t.open[0] + t.open[1];
    const view = byId("view-summary");
    view.replaceChildren(
        h("h2.quiet", {id: "h-summary"}, "Summary"),
        h("p.short", inShort(t)),
        h("div.tiles",
            tile("", "Hosts that answered", count(t.answered === null ? t.hosts : t.answered), t.scanned === null ? "" : `of ${count(t.scanned)}`, t.scanned === null ? "the run has no end: hosts with records" : t.scanned === t.answered ? "every host that was asked" : `${count(t.scanned - t.answered)} did not`, only("group", "host")),
            tile("", "Endpoints", count(rows.length), t.asked > rows.length ? `of ${count(t.asked)}` : "", `${count(t.statuses.get("ok") || 0)} spoke their protocol`, only()),
            tile(bad ? ".alarm" : ".fine", "Open findings", count(t.all), "", SEVERITIES.slice(0, 2).map((s, i) => `${count(t.open[i])} ${s}`).join(", "), "#v=findings"),
            tile(t.clear ? ".alarm" : ".fine", "Passwords in clear", count(t.clear), t.isClear ? `of ${count(t.isClear)}` : "", "take or offer a login without TLS", only("exposed", "login")),
            tile(t.dark ? ".watch" : ".fine", "No working TLS", count(t.dark), t.isClear ? `of ${count(t.isClear)}` : "", "begin in clear and stay there", only("exposed", "no_tls")),
            tile(t.expiry.get("expired") ? ".alarm" : t.soon ? ".watch" : ".fine", "Certificates", count((t.expiry.get("expired") || 0) + t.soon), t.certificates.size ? `of ${count(t.certificates.size)}` : "", `${count(t.expiry.get("expired") || 0)} expired, ${count(t.soon)} within 30 days`, only("expiry", "expired", "expiry", "7d", "expiry", "14d", "expiry", "30d"))),
        add(h("div.cards"), [cardSeverity(t), cardRules(), cardExposed(t), cardVersions(),
            h("div.stacked.w7", cardCertificates(t), cardPolicies()), h("div.stacked.w5", cardCoverage(t), cardExpected(t), cardWaivers(t)), cardLabels()]));
}

function inShort(t) {
    const parts = [];
    const b = (text) => h("b", text);
    if (t.scanned !== null)
        parts.push(b(`${count(t.answered)} of ${plural(t.scanned, "host")}`), " answered. ");
    else
        parts.push(b(plural(t.hosts, "host")), t.hosts === 1 ? " has records. " : " have records. ");
    if (t.clear || t.dark) {
        parts.push("Of ", b(plural(t.isClear, "service")), ` that ${t.isClear === 1 ? "begins" : "begin"} in clear, `);
        parts.push(b(count(t.clear)), ` ${t.clear === 1 ? "takes or offers" : "take or offer"} a password login without TLS, and `, b(count(t.dark)), ` ${t.dark === 1 ? "has" : "have"} no working TLS. `);
    } else if (t.isClear) {
        parts.push("No service that begins in clear was seen to take a password there. ");
    }
    if (t.all)
        parts.push(b(plural(t.all, "finding")), t.all === 1 ? " is open" : " are open", t.open[0] || t.open[1] ? [", ", b(`${count(t.open[0])} critical`), " and ", b(`${count(t.open[1])} high`)] : ", none of them critical or high", t.fresh ? `; ${count(t.fresh)} are new since the baseline` : "", ". ");
    else
        parts.push("Nothing is open. ");
    if (t.waived)
        parts.push(`${plural(t.waived, "finding")} ${t.waived === 1 ? "is" : "are"} waived. `);
    return parts;
}

function cardSeverity(t) {
    const most = Math.max(1, ...t.open);
    const endpoints = SEVERITIES.map((_, i) => rows.reduce((sum, row) => sum + +(row.counts[i] > 0), 0));
    return card("w5", [h("span", "Findings by severity"), h("a", {href: "#v=findings"}, "All findings")], "Open findings; a severity leads to the endpoints that have one.",
        h("div.bars.roomy", SEVERITIES.map((s, i) => bar(badge(s), [{n: t.open[i], fill: s}], most, [count(t.open[i]), h("small", ` on ${count(endpoints[i])}`)], t.open[i] ? only("severity", s) : null))),
        t.waived || t.expired ? h("p.after", `Also ${count(t.waived)} waived`, t.expired ? `, and ${count(t.expired)} whose waiver has expired, which count as open` : "", ".") : null,
        t.fresh || t.known ? h("p.after", `Against the baseline: ${count(t.fresh)} new, ${count(t.known)} known.`) : null);
}

let rulesNow = []; // what each rule found, the gravest first

function rulesFound() {
    const found = new Map();
    for (const row of rows)
        for (const f of row.found) {
            let of = found.get(f.rule);
            if (!of)
                found.set(f.rule, of = {rule: f.rule, open: [0, 0, 0, 0, 0], waived: 0, expired: 0, rows: [], worst: 5});
            if (f.waived)
                of.waived++;
            else
                of.open[f.severity]++;
            of.expired += +f.expired;
            of.worst = Math.min(of.worst, f.severity + (f.waived ? 5 : 0));
            of.rows.push({row, f});
        }
    for (const of of found.values()) {
        of.all = of.open.reduce((sum, n) => sum + n, 0);
        of.worst = of.all ? of.open.findIndex((n) => n) : 5;
        of.rows.sort((a, b) => a.f.waived - b.f.waived || a.f.severity - b.f.severity || (a.row.sortHost < b.row.sortHost ? -1 : 1));
    }
    return [...found.values()].sort((a, b) => a.worst - b.worst || b.all - a.all || (a.rule.id < b.rule.id ? -1 : 1));
}

function cardRules() {
    const top = rulesNow.filter((of) => of.all && of.worst < 4).slice(0, 7);
    const most = Math.max(1, ...top.map((of) => of.all));
    return card("w7", [h("span", "What is wrong most"), h("a", {href: "#v=findings"}, "By rule")], "The gravest rules that found something, by the number of their open findings.",
        top.length ? h("div.bars.rules-top", top.map((of) => h("a", {href: "#" + new URLSearchParams({v: "findings", rule: of.rule.id})},
            severityBadge(of.worst), h("span.name", {title: flat(of.rule.id)}, net(of.rule.title, {most: 160})), trackOf(of, most), h("span.num", count(of.all))))) : h("p.soft", "Nothing above info."));
}

function trackOf(of, most) {
    const track = h("span.track", {"aria-hidden": "true"});
    of.open.forEach((n, i) => {
        if (n) {
            const piece = h("span.f-" + SEVERITIES[i]);
            piece.style.width = `${100 * n / most}%`;
            track.append(piece);
        }
    });
    return track;
}

function cardExposed(t) {
    const clear = rows.filter((row) => row.isClear && row.status === "ok");
    const protocols = [...new Set(clear.map((row) => row.protocol))].sort();
    const groups = [["login", (row) => row.clear, "critical"], ["no_tls", (row) => row.dark, "high"]];
    const cell = (key, of, fill, protocol) => {
        const mine = clear.filter((row) => row.protocol === protocol), n = mine.filter(of).length, piece = h("span.f-" + fill);
        piece.style.width = `${100 * n / mine.length}%`;
        return h("td", h(n ? "a.meter" : "span.meter", n ? {href: only("exposed", key, "protocol", protocol)} : {}, h("span.track", {"aria-hidden": "true"}, n ? piece : null), h("span.num", count(n), h("small", ` of ${count(mine.length)}`))));
    };
    return card("w5", "Exposed in clear", `Of ${plural(t.isClear, "endpoint")} that ${t.isClear === 1 ? "begins" : "begin"} without TLS and spoke ${t.isClear === 1 ? "its" : "their"} protocol.`,
        protocols.length ? h("table.exposed", h("thead", h("tr", h("th", {scope: "col"}, h("span.quiet", "Protocol")), h("th", {scope: "col"}, "Takes or offers a login"), h("th", {scope: "col"}, "No working TLS"))),
            h("tbody", protocols.map((protocol) => h("tr", h("th", {scope: "row"}, net(protocol.toUpperCase(), {most: 20})), groups.map(([key, of, fill]) => cell(key, of, fill, protocol)))))) : h("p.soft", "There are none."));
}

function cardVersions() {
    const asked = rows.filter((row) => row.hasVersions);
    const fills = ["critical", "critical", "high", "high", "good", "good"];
    return card("w7", "Versions accepted", `Of ${plural(asked.length, "endpoint")} where TLS was asked for. Below TLS 1.2 all versions are obsolete (RFC 8996).`,
        h("div.bars", VERSIONS.map((_, j) => {
            const i = 5 - j, accepted = asked.filter((row) => row.versions >> i & 1).length, unsure = asked.filter((row) => row.unsure >> i & 1).length;
            return bar(versionName(VERSIONS[i]), [{n: accepted, fill: fills[i], name: "accepted"}, {n: unsure, fill: "open", name: "not known"}], asked.length,
                [count(accepted), h("small", ` ${share(accepted, asked.length)}${unsure ? ` · ${count(unsure)} not known` : ""}`)], accepted ? only("version", VERSIONS[i]) : null);
        })),
        legend([{n: asked.filter((row) => row.versions & 15).length, fill: "high", name: "accept an obsolete version", href: only(...VERSIONS.slice(0, 4).flatMap((v) => ["version", v])), always: true},
            {n: asked.filter((row) => row.versions >> 5 & 1).length, fill: "good", name: "accept TLS 1.3", href: only("version", "1.3"), always: true},
            {n: asked.filter((row) => row.unsure).length, fill: "open", name: "with a version not known"}]));
}

function cardCertificates(t) {
    const fills = {expired: "critical", "7d": "high", "14d": "high", "30d": "medium", "90d": "low", "180d": "good", "1y": "good", later: "good"};
    const most = Math.max(1, ...t.expiry.values());
    const next = [...t.certificates.entries()].filter(([c]) => !isNaN(c.after)).sort((a, b) => a[0].after - b[0].after).slice(0, 5);
    const chart = h("div.columns", EXPIRY.map(([key, name]) => {
        const n = t.expiry.get(key) || 0, col = h("span.col.f-" + (n ? fills[key] : "none"), {"aria-hidden": "true"});
        col.style.height = `${Math.max(n ? 2 : 0, 68 * n / most)}%`;
        return h(n ? "a" : "div", n ? {href: only("expiry", key)} : {}, h("span.num" + (n ? "" : ".zero"), count(n)), col, h("span.under", name));
    }));
    return card("w7", "Certificates by expiry", `${plural(t.certificates.size, "certificate")} that servers showed, by the time left when the run began.${t.expiry.get("unknown") ? ` Of ${count(t.expiry.get("unknown"))} the end is not known.` : ""}`, chart,
        next.length ? [h("h4", "First to end"), h("table.data.small", h("thead", h("tr", h("th", {scope: "col"}, "Subject"), h("th", {scope: "col"}, "Ends"), h("th.r", {scope: "col"}, "Endpoints"))),
            h("tbody", next.map(([c, n]) => h("tr", h("th", {scope: "row"}, net(c.subject || c.names[0] || c.sha.slice(0, 16), {most: 70})), h("td", daysLeft({certificate: c, expiry: expiryOf(c.after, asOf(run))}), h("span.soft", " · " + new Date(c.after).toISOString().slice(0, 10))),
                h("td.r", h("a", {href: only("certificate", c.sha)}, count(n)))))))] : null);
}

const STATUS_FILL = {ok: "good", closed: "none", refused: "medium", protocol_mismatch: "low", tls_error: "high", timeout: "open", unreachable: "open", dns_error: "open", error: "open"};
const STATUS_SAYS = names({ok: "spoke their protocol", closed: "closed", refused: "refused to talk", protocol_mismatch: "spoke something else", tls_error: "no TLS came about", timeout: "timed out", unreachable: "unreachable", dns_error: "name not resolved", error: "broke off"});

function cardCoverage(t) {
    const parts = Object.keys(STATUS_FILL).map((status) => ({n: t.statuses.get(status) || 0, fill: STATUS_FILL[status], name: STATUS_SAYS[status], href: rows.some((row) => row.status === status) ? only("status", status) : null}));
    const open = parts.filter((part) => part.fill === "open").reduce((sum, part) => sum + part.n, 0);
    const answered = t.asked - open - (t.statuses.get("closed") || 0);
    return card("w5", [h("span", "Coverage"), h("a", {href: "#v=run"}, "This run")], "What was asked, and what is not known.",
        h("p", h("b", plural(t.asked, "endpoint")), " asked: ", h("b", count(answered)), " answered, ", h("b", count(t.statuses.get("closed") || 0)), " closed, ", h("b", count(open)), " not known."),
        h("p", "\u00a0"), stack(parts, t.asked, true), legend(parts),
        h("p.after", t.lacks ? h("a", {href: only("unknown", "some")}, plural(t.lacks, "endpoint")) : "No endpoint", t.lacks === 1 ? " has a fact that was asked and not learnt." : t.lacks ? " have facts that were asked and not learnt." : " lacks a fact that was asked for.", " What is not known is never counted as safe."),
        run.notAsked.length ? h("p.after", `${plural(run.notAsked.length, "endpoint")} known from earlier runs ${run.notAsked.length === 1 ? "was" : "were"} not asked, because of the targets of this run.`) : null);
}

const verdictParts = (counts, name) => ["fail", "warn", "inconclusive", "not_tested", "pass", "not_applicable"].map((v) =>
    ({n: counts.get(v) || 0, fill: v, name: words(v), href: only("policy", `${name}: ${words(v)}`)}));

function policyNames() {
    const names = new Set(objects(object(run.start).policies).map((p) => textOf(p.name)));
    for (const row of rows)
        for (const policy of row.policies)
            names.add(textOf(policy.name));
    return [...names];
}

function cardPolicies() {
    const names = policyNames();
    if (!names.length)
        return null;
    return card("w7", [h("span", "Policies"), h("a", {href: "#v=policies"}, "By clause")], "The verdict on each endpoint is the worst of its clauses.",
        names.map((name) => {
            const counts = tally(rows, (row) => row.policies.filter((p) => p.name === name).map((p) => p.verdict));
            const parts = verdictParts(counts, name);
            return [h("h4", h("a", {href: "#" + new URLSearchParams({v: "policies", on: name})}, net(name, {most: 80}))), stack(parts), legend(parts)];
        }));
}

function cardWaivers(t) {
    const waivers = objects(object(run.end).waivers);
    if (!waivers.length && !t.waived && !object(run.start).waivers)
        return null;
    const kinds = names({used: "pass", expired: "fail", stale: "inconclusive"});
    return card("w5.long", "Waivers", "A waived finding stays in the report, with its mark. Stale: it matched nothing in a complete run.",
        waivers.length ? h("table.data", h("thead", h("tr", ["Waiver", "State", "Expires"].map((name) => h("th", {scope: "col"}, name)), h("th.r", {scope: "col"}, "Findings"))),
            h("tbody", waivers.slice(0, 200).map((w) => h("tr", h("th", {scope: "row"}, net(textOf(w.id), {most: 60})), h("td", badge(kinds[w.state] || "info", words(flat(textOf(w.state), 30)))), h("td", net(textOf(w.expires), {most: 20})), h("td.r", count(+w.findings || 0))))))
            : h("p", `${plural(t.waived, "finding")} waived.`));
}

function cardExpected(t) {
    if (!t.expected.size)
        return null;
    const silent = rows.filter((row) => expectedOf(row) !== "answered" && expectedOf(row)).sort((a, b) => a.sortHost < b.sortHost ? -1 : 1);
    return card("w5", "Expected services", "Targets that a label says should be there.",
        h("p", h("b", count(t.expected.get("answered") || 0)), " answered, ", h("b", count(t.expected.get("silent") || 0)), " silent, ", h("b", count(t.expected.get("not known") || 0)), " not known."),
        silent.length ? h("ul", silent.slice(0, 8).map((row) => h("li", h("a", {href: hostLink(row)}, net(row.key, {most: 80})), " ", h("span.soft", flat(words(row.status), 40))))) : null,
        silent.length > 8 ? h("p.after", h("a", {href: only("expected", "silent", "expected", "not known")}, `all ${count(silent.length)}`)) : null);
}

function cardLabels() {
    if (!labelKeys.length)
        return null;
    const box = h("div"), choice = labelKeys.length > 1 ? h("select.field", {"aria-label": "Label to group by", onchange: (event) => draw(event.target.value)}, labelKeys.map((key) => h("option", {value: key}, flat(key, 40)))) : null;
    if (choice)
        choice.style.width = "auto";
    const draw = (key) => {
        const groups = new Map();
        for (const row of rows) {
            const value = isText(row.labels[key]) ? row.labels[key] : "";
            let of = groups.get(value);
            if (!of)
                groups.set(value, of = {value, endpoints: 0, open: [0, 0, 0, 0, 0], waived: 0, clear: 0, hosts: new Set()});
            of.endpoints++;
            of.hosts.add(hostId(row));
            row.counts.forEach((n, i) => { of.open[i] += n; });
            of.waived += row.waived;
            of.clear += row.clear;
        }
        const sorted = [...groups.values()].sort((a, b) => { for (let i = 0; i < 5; i++) if (a.open[i] !== b.open[i]) return b.open[i] - a.open[i]; return b.endpoints - a.endpoints; });
        const cell = (n, href) => h("td.r" + (n ? "" : ".zero"), n && href ? h("a", {href}, count(n)) : count(n));
        box.replaceChildren(h("div.scroll", h("table.data", h("thead", h("tr", h("th", {scope: "col"}, net(key, {most: 40})), ["Hosts", "Endpoints", ...SEVERITIES.map((s) => s[0].toUpperCase() + s.slice(1)), "Waived", "Logins in clear"].map((name) => h("th.r", {scope: "col"}, name)))),
            h("tbody", sorted.slice(0, 25).map((of) => h("tr", h("th", {scope: "row"}, h("a", {href: only("label." + key, of.value)}, of.value ? net(of.value, {most: 80}) : "(none)")), cell(of.hosts.size), cell(of.endpoints),
                of.open.map((n, i) => cell(n, only("label." + key, of.value, "severity", SEVERITIES[i]))), cell(of.waived), cell(of.clear, only("label." + key, of.value, "exposed", "login"))))))),
            sorted.length > 25 ? h("p.after", `and ${count(sorted.length - 25)} more`) : "");
    };
    draw(labelKeys[0]);
    return card("w12.long", [h("span", "By label"), choice], "Open findings of the targets that carry a label.", box);
}

// --- table of endpoints -------------------------------------------------------------------------------------------------------

const rank = (words_, word_) => { const i = words_.indexOf(word_); return i < 0 ? words_.length : i; };
const UPGRADES = ["none", "refused", "fails", "not known", "hidden", "works", "implicit"], LOGINS = ["not needed", "accepted", "offered", "not known", "not announced", "disabled", "refused"];
const lowest = (row) => row.versions ? 31 - Math.clz32(row.versions & -row.versions) : row.unsure ? 6 : 7;
const worstPolicy = (row) => Math.min(...row.policies.map((p) => rank(VERDICTS, p.verdict)), 9);
const byText = (a, b) => a < b ? -1 : a > b ? 1 : 0;

const columns = [
    {key: "worst", name: "Worst", order: (a, b) => a.worst - b.worst || b.counts[a.worst] - a.counts[a.worst] || b.open - a.open, cell: (row) => severityBadge(row.worst)},
    {key: "host", name: "Host", order: () => 0, cell: (row) => [h("a.host", {href: hostLink(row), tabindex: -1}, net(row.host, {most: 100})), row.ip && row.ip !== row.host ? h("span.sub", " ", net(row.ip)) : null, labelKeys.length && isText(row.labels[labelKeys[0]]) ? h("span.sub", " · ", net(row.labels[labelKeys[0]], {most: 40})) : null]},
    {key: "service", name: "Service", order: (a, b) => byText(a.protocol, b.protocol) || a.port - b.port, cell: (row) => [net(row.protocol), h("span.sub", ` ${row.port}${row.mode === "implicit" ? " TLS" : ""}`)]},
    {key: "status", name: "Status", order: (a, b) => byText(a.status, b.status), cell: (row) => h("span." + (row.status === "ok" ? "t-plain" : ["timeout", "unreachable", "dns_error", "error"].includes(row.status) ? "t-open" : "t-soft"), flat(words(row.status), 40))},
    {key: "starttls", name: "STARTTLS", order: (a, b) => rank(UPGRADES, a.starttls) - rank(UPGRADES, b.starttls), cell: (row) => word(row.starttls, WORD_CLASS)},
    {key: "versions", name: "TLS versions", order: (a, b) => lowest(a) - lowest(b) || b.versions - a.versions, cell: versionTags},
    {key: "login", name: "Login in clear", order: (a, b) => rank(LOGINS, a.login) - rank(LOGINS, b.login), cell: (row) => word(row.login, LOGIN_CLASS)},
    {key: "cert", name: "Certificate", order: (a, b) => endOf(a) - endOf(b), cell: daysLeft},
    {key: "policy", name: "Policy", order: (a, b) => worstPolicy(a) - worstPolicy(b), cell: policyWord},
    {key: "findings", name: "Findings", order: (a, b) => b.open - a.open, cell: (row) => [count(row.open), row.waived ? h("span.sub", ` +${count(row.waived)} waived`) : null]},
];
const endOf = (row) => row.certificate && !isNaN(row.certificate.after) ? row.certificate.after : 8.64e15;

const table = {
    items: [], found: 0, active: 0, drawn: new Map(), height: 42, key: null,

    build() {
        const view = byId("view-endpoints");
        this.drawn.clear();
        this.key = null;
        this.head = h("tr", {role: "row", "aria-rowindex": 1}, columns.map((column) => h("th.h-" + column.key, {scope: "col", role: "columnheader", "aria-sort": "none"},
            h("button", {type: "button", onclick: () => change({sort: place.sort === column.key ? "-" + column.key : column.key})}, column.name))));
        this.top = h("tr.pad", {"aria-hidden": "true"}, h("td", {colspan: columns.length}));
        this.bottom = h("tr.pad", {"aria-hidden": "true"}, h("td", {colspan: columns.length}));
        this.body = h("tbody", {role: "rowgroup"}, this.top, this.bottom);
        this.grid = h("table.grid", {role: "grid", tabindex: 0, id: "grid", "aria-labelledby": "h-endpoints", "aria-describedby": "keys", "aria-colcount": columns.length, "aria-readonly": "true", onkeydown: (event) => this.onKey(event), onclick: (event) => this.onClick(event)},
            h("colgroup", columns.map((column) => h("col.c-" + column.key))), h("thead", {role: "rowgroup"}, this.head), this.body);
        this.nothing = h("p.nothing", {hidden: true}, "No endpoint is like that.");
        this.filterBar = h("div.filters", {role: "group", "aria-label": "Filters"});
        this.chips = h("div.chips");
        view.replaceChildren(h("div.head", h("h2", {id: "h-endpoints"}, "Endpoints")), this.filterBar, this.chips, h("div.grid-box", this.grid, this.nothing),
            h("p.keys", {id: "keys"}, "Keys: ", h("kbd", "/"), " search, ", h("kbd", "↑"), " ", h("kbd", "↓"), " rows, ", h("kbd", "Enter"), " opens the host, ", h("kbd", "Esc"), " goes back."));
        this.drawFilters();
    },

    drawFilters() {
        const pops = [];
        for (const filter of [...filters, ...labelFilters()]) {
            const counts = tally(rows, (row) => new Set(filter.of(row)));
            const order = filter.order ? filter.order.filter((v) => counts.has(v)) : [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || byText(a, b));
            if (!order.length || (order.length === 1 && !["severity", "rule", "exposed", "expected"].includes(filter.key) && counts.get(order[0]) === rows.length))
                continue;
            pops.push(this.pop(filter, order, counts));
        }
        this.pops = pops;
        const groups = [["", "nothing"], ["host", "host"], ["protocol", "protocol"], ...labelKeys.map((key) => ["label." + key, flat(key, 30)])];
        this.grouping = h("select", {onchange: (event) => change({group: event.target.value})}, groups.map(([value, name]) => h("option", {value}, name)));
        const toggle = h("button.ghost.narrow-only", {type: "button", "aria-expanded": "false", onclick: () => toggle.setAttribute("aria-expanded", this.filterBar.classList.toggle("shown"))}, "Filters and groups");
        this.filterBar.replaceChildren(toggle, ...pops.map((pop) => pop.element), h("label.groupby", "Group by ", this.grouping));
    },

    pop(filter, order, counts) {
        const box = h("div"), element = h("details.pop", h("summary", net(filter.name, {most: 30})), box);
        const pop = {filter, element, boxes: new Map()};
        const fill = (part) => {
            const shown = part ? order.filter((value) => (sayOf(filter, value) + (filter.note ? filter.note(value) : "")).toLowerCase().includes(part)) : order;
            for (const label of box.querySelectorAll("label, p"))
                label.remove();
            pop.boxes.clear();
            for (const value of shown.slice(0, 200)) {
                const input = h("input", {type: "checkbox", onchange: () => this.choose(filter.key, value, input.checked)});
                input.checked = place.chosen.has(filter.key) && place.chosen.get(filter.key).has(value);
                pop.boxes.set(value, input);
                box.append(h("label", input, filter.key === "severity" ? badge(value) : net(sayOf(filter, value), {most: 80}), h("span.n", count(counts.get(value)))));
            }
            if (shown.length > 200)
                box.append(h("p.small.soft", `and ${count(shown.length - 200)} more: search for them`));
        };
        element.addEventListener("toggle", () => {
            if (!element.open || box.childNodes.length)
                return;
            if (order.length > 12)
                box.append(h("input.field", {type: "search", placeholder: "Find", "aria-label": `Find in ${flat(filter.name, 30)}`, oninput: (event) => fill(event.target.value.toLowerCase())}));
            fill("");
        });
        return pop;
    },

    choose(key, value, on) {
        const chosen = new Map(place.chosen), wanted = new Set(chosen.get(key));
        if (on)
            wanted.add(value);
        else
            wanted.delete(value);
        if (wanted.size)
            chosen.set(key, wanted);
        else
            chosen.delete(key);
        change({chosen});
    },

    /** What the address asks for. */
    update() {
        const key = hashOf(place);
        if (key === this.key) {
            this.draw();
            return;
        }
        const same = this.key !== null;
        this.key = key;
        this.select();
        this.drawState();
        if (same && this.grid.getBoundingClientRect().top < 0 && this.found)
            scrollTo(0, Math.max(0, this.grid.getBoundingClientRect().top + scrollY - 70));
        this.forget();
        this.draw();
        say(`${plural(this.found, "endpoint")}${this.found === rows.length ? "" : ` of ${count(rows.length)}`}`);
    },

    select() {
        const terms = place.q.toLowerCase().split(/\s+/).filter(Boolean);
        const wanted = allFilters().filter((filter) => place.chosen.has(filter.key)).map((filter) => [filter, [...place.chosen.get(filter.key)]]);
        const fits = (row) => terms.every((term) => row.search.includes(term) || (row.certificate && row.certificate.search.includes(term))) &&
            wanted.every(([filter, any]) => filter.has ? any.some((value) => filter.has(row, value)) : filter.of(row).some((value) => any.includes(value)));
        const down = place.sort.startsWith("-"), column = columns.find((c) => c.key === place.sort.replace(/^-/, "")) || columns[0];
        const result = rows.filter(fits), turn = down ? -1 : 1;
        result.sort((a, b) => turn * column.order(a, b) || (column.key === "host" ? turn : 1) * byText(a.sortHost, b.sortHost));
        this.column = column;
        this.down = down;
        this.found = result.length;
        this.items = place.group ? this.grouped(result) : result;
        this.active = 0;
        if (this.items[0] && this.items[0].group !== undefined)
            this.active = 1;
    },

    grouped(result) {
        const label_ = place.group.startsWith("label.") ? place.group.slice(6) : null;
        const of = (row) => label_ !== null ? textOf(row.labels[label_]) : place.group === "protocol" ? row.protocol : hostId(row);
        const groups = new Map();
        for (const row of result) {
            const value = of(row);
            if (!groups.has(value))
                groups.set(value, []);
            groups.get(value).push(row);
        }
        return [...groups].flatMap(([group, members_]) => [{group, rows: members_}, ...members_]);
    },

    drawState() {
        [...this.head.children].forEach((th, i) => th.setAttribute("aria-sort", columns[i] === this.column ? this.down ? "descending" : "ascending" : "none"));
        this.grid.setAttribute("aria-rowcount", this.items.length + 1);
        this.nothing.hidden = this.found > 0;
        this.grouping.value = place.group;
        for (const pop of this.pops) {
            const wanted = place.chosen.get(pop.filter.key);
            pop.element.classList.toggle("on", Boolean(wanted));
            for (const [value, input] of pop.boxes)
                input.checked = Boolean(wanted && wanted.has(value));
        }
        const chips = [h("span.count", {id: "count"}, this.found === rows.length ? plural(rows.length, "endpoint") : `${count(this.found)} of ${plural(rows.length, "endpoint")}`)];
        if (place.q)
            chips.push(this.chip("Search", place.q, () => { byId("find").value = ""; change({q: ""}); }));
        for (const filter of allFilters())
            for (const value of place.chosen.get(filter.key) || [])
                chips.push(this.chip(filter.name, sayOf(filter, value), () => this.choose(filter.key, value, false)));
        if (chips.length > 2)
            chips.push(h("button.chip.all", {type: "button", onclick: () => { byId("find").value = ""; change({q: "", chosen: new Map()}); }}, "Clear all"));
        this.chips.replaceChildren(...chips);
    },

    chip: (name, value, remove) => h("button.chip", {type: "button", onclick: remove, "aria-label": `Remove: ${flat(name, 40)}: ${flat(value, 80)}`}, net(`${name}: ${value}`, {most: 90}), h("span", {"aria-hidden": "true"}, "×")),

    forget() {
        for (const element of this.drawn.values())
            element.remove();
        this.drawn.clear();
    },

    /** Puts the rows that can be seen into the page, and takes the others out. */
    draw() {
        if (place.view !== "endpoints")
            return;
        const box = this.grid.getBoundingClientRect(), headHeight = this.head.parentNode.offsetHeight;
        this.height = matchMedia("(max-width: 760px)").matches ? 92 : 42;
        const from = Math.max(0, Math.floor((-box.top - headHeight) / this.height) - 8);
        const to = Math.min(this.items.length, Math.ceil((innerHeight - box.top - headHeight) / this.height) + 8);
        for (const [i, element] of this.drawn)
            if (i < from || i >= to) {
                element.remove();
                this.drawn.delete(i);
            }
        for (let i = from, before = this.top; i < to; i++) {
            let element = this.drawn.get(i);
            if (!element) {
                element = this.rowElement(i);
                before.after(element);
                this.drawn.set(i, element);
            }
            before = element;
        }
        this.top.style.height = `${Math.min(from, this.items.length) * this.height}px`;
        this.bottom.style.height = `${Math.max(0, this.items.length - Math.max(to, from)) * this.height}px`;
        this.mark();
    },

    rowElement(i) {
        const item = this.items[i];
        if (item.group !== undefined) {
            const open = [0, 1, 2, 3, 4].map((s) => item.rows.reduce((sum, row) => sum + row.counts[s], 0));
            return h("tr.group", {role: "row", "aria-rowindex": i + 2}, h("td", {role: "gridcell", colspan: columns.length, "aria-colspan": columns.length}, net(some(item.group).replace("|", " "), {most: 100}),
                h("span.n", plural(item.rows.length, "endpoint"), open.some((n) => n) ? " · " + SEVERITIES.filter((_, s) => open[s]).map((s) => `${count(open[SEVERITIES.indexOf(s)])} ${s}`).join(", ") : "")));
        }
        return h("tr.row", {role: "row", id: "row-" + i, "data-i": i, "aria-rowindex": i + 2}, columns.map((column) => h("td.h-" + column.key, {role: "gridcell"}, column.cell(item))));
    },

    mark() {
        for (const [i, element] of this.drawn)
            if (this.items[i].group === undefined) {
                element.classList.toggle("active", i === this.active);
                element.setAttribute("aria-selected", i === this.active);
            }
        if (this.drawn.has(this.active))
            this.grid.setAttribute("aria-activedescendant", "row-" + this.active);
        else
            this.grid.removeAttribute("aria-activedescendant");
    },

    move(to, step) {
        to = Math.max(0, Math.min(this.items.length - 1, to));
        while (this.items[to] && this.items[to].group !== undefined && to + step >= 0 && to + step < this.items.length)
            to += step;
        if (!this.items[to] || this.items[to].group !== undefined)
            return;
        this.active = to;
        const y = this.grid.getBoundingClientRect().top + this.head.parentNode.offsetHeight + to * this.height, above = 110, below = innerHeight - this.height - 12;
        if (y < above)
            scrollBy(0, y - above);
        else if (y > below)
            scrollBy(0, y - below);
        this.draw();
    },

    onKey(event) {
        if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey)
            return;
        const page = Math.max(1, Math.floor(innerHeight / this.height) - 4);
        const moves = {ArrowDown: [this.active + 1, 1], ArrowUp: [this.active - 1, -1], PageDown: [this.active + page, 1], PageUp: [this.active - page, -1], Home: [0, 1], End: [this.items.length - 1, -1]};
        if (moves[event.key])
            this.move(...moves[event.key]);
        else if (event.key === "Enter" && this.items[this.active])
            this.open(this.items[this.active]);
        else
            return;
        event.preventDefault();
    },

    onClick(event) {
        const element = event.target.closest("tr.row");
        if (!element)
            return;
        this.active = +element.dataset.i;
        this.mark();
        if (!event.target.closest("a, button") && !String(getSelection()))
            this.open(this.items[this.active]);
    },

    open(row) {
        if (row.group === undefined)
            location.hash = hostLink(row);
    },

    /** Back from a host's page: to the row it was opened from. */
    returnTo(before) {
        const i = this.items.findIndex((item) => item.key === before.endpoint && hostId(item) === before.host);
        if (i < 0)
            return false;
        this.active = i;
        const y = this.grid.getBoundingClientRect().top + scrollY + i * this.height;
        scrollTo(0, Math.max(0, y - innerHeight / 2));
        this.draw();
        this.grid.focus({preventScroll: true});
        return true;
    },
};

// --- findings by rule -----------------------------------------------------------------------------------------------------------

const AFFECTED = 15;

function drawFindings() {
    const found = rulesNow, view = byId("view-findings");
    const all = found.reduce((sum, of) => sum + of.all, 0), waived = found.reduce((sum, of) => sum + of.waived, 0);
    view.replaceChildren(h("div.head", h("h2", {id: "h-findings"}, "Findings"), h("p", `${plural(all, "open finding")} of ${plural(found.length, "rule")}${waived ? `, ${count(waived)} waived` : ""}. The gravest first.`)),
        h("div.levels", {role: "group", "aria-label": "Severity"}, ["", ...SEVERITIES].map((s, i) => h("a", {href: s ? `#v=findings&severity=${s}` : "#v=findings", "data-severity": s}, s || "All", h("span.n", count(s ? found.filter((of) => of.open[i - 1]).length : found.length))))),
        h("div.panels", found.length ? found.map(rulePanel) : h("p.nothing", "No rule found anything.")), checksPanel());
}

function rulePanel(of) {
    const finding = of.rule.finding, body = h("div.body");
    const shown = of.rows.slice(0, AFFECTED);
    const severities = of.open.filter((n) => n).length > 1 ? h("p.small.soft", "Of which ", SEVERITIES.filter((_, i) => of.open[i]).map((s) => `${count(of.open[SEVERITIES.indexOf(s)])} ${s}`).join(", "), ": it depends on what else is so.") : null;
    add(body, [h("div.sides", h("div", net(textOf(finding.description), {most: 4000, tag: "p"}), severities), h("div", h("h3", "What to do"), net(textOf(finding.remediation), {most: 4000, tag: "p"}), references(finding))),
        h("div", h("h3.soft", "On ", h("a", {href: only("rule", of.rule.id)}, plural(new Set(of.rows.map((r) => r.row)).size, "endpoint"))), h("ul.affected", shown.map(({row, f}) => h("li", h("a", {href: hostLink(row)}, net(row.key, {most: 80})), row.ip && row.ip !== row.host ? h("span.soft", " ", net(row.ip)) : null,
            f.waived ? badge("waived") : null, f.expired ? badge("fail", "waiver expired") : null, f.baseline === "new" ? badge("info", "new") : null))),
        of.rows.length > shown.length ? h("p.small", h("a", {href: only("rule", of.rule.id)}, `and ${count(of.rows.length - shown.length)} more`)) : null)]);
    const panel = h("details.panel", {"data-rule": of.rule.id, "data-severities": SEVERITIES.filter((_, i) => of.open[i]).join(" ")}, h("summary", of.all ? severityBadge(of.worst) : badge("waived"), h("span", h("span.name", net(of.rule.title, {most: 200})), h("span.id", net(of.rule.id, {most: 80}))),
        h("span.n", h("b", count(of.all)), of.waived ? `+ ${count(of.waived)} waived` : of.all === 1 ? "finding" : "findings")), body);
    return panel;
}

function references(finding) {
    const items = list(finding.references).filter(isText);
    return items.length ? [h("h3", "References"), h("p.refs", items.map((item, i) => [i ? " · " : "", clause(item)]))] : null;
}

function clause(text, isUnverified) {
    const match = /^(.*?) ?\(unverified\)$/.exec(text);
    const name = net(match ? match[1] : text, {most: 300});
    return match || isUnverified ? [name, " ", h("span.unverified", {title: "This was not read in the source itself."}, "unverified")] : name;
}

/** Every rule, and how often it came to which verdict. */
function checksPanel() {
    const body = h("div.body");
    const panel = h("details.panel.alone", h("summary", badge("info", "all rules"), h("span", h("span.name", "What was checked"), h("span.id", "Every rule, and on how many endpoints it passed, failed, or could not be judged")), h("span.n")), body);
    panel.addEventListener("toggle", () => {
        if (panel.open && !body.childNodes.length)
            body.append(h("div.scroll", checksTable()));
    });
    return panel;
}

const CHECKS = ["fail", "inconclusive", "not_tested", "pass", "not_applicable"];

function checksTable() {
    const seen = new Map(), byRule = new Map();
    for (const row of rows) {
        const checks = members(lineValue(row.line, RECORD), "checks").checks;
        seen.set(checks, (seen.get(checks) || 0) + 1);
    }
    for (const [checks, n] of seen)
        for (const verdict of CHECKS)
            for (const id of texts(object(checks)[verdict])) {
                if (!byRule.has(id))
                    byRule.set(id, Object.fromEntries(CHECKS.map((v) => [v, 0])));
                byRule.get(id)[verdict] += n;
            }
    const sorted = [...byRule].sort((a, b) => b[1].fail - a[1].fail || byText(a[0], b[0]));
    return h("table.data.small", h("thead", h("tr", h("th", {scope: "col"}, "Rule"), CHECKS.map((v) => h("th.r", {scope: "col"}, words(v))))),
        h("tbody", sorted.map(([id, counts]) => h("tr", h("th.mono", {scope: "row"}, net(id, {most: 80})), CHECKS.map((v) => h("td.r" + (counts[v] ? "" : ".zero"), v === "fail" && counts[v] ? h("a", {href: only("rule", id)}, count(counts[v])) : count(counts[v])))))));
}

function openRule(wanted) {
    const levels = place.chosen.get("severity");
    for (const link of document.querySelectorAll(".levels a"))
        if (levels ? levels.has(link.dataset.severity) : !link.dataset.severity)
            link.setAttribute("aria-current", "true");
        else
            link.removeAttribute("aria-current");
    for (const panel of document.querySelectorAll("#view-findings .panel[data-rule]"))
        panel.classList.toggle("off", Boolean(levels) && !panel.dataset.severities.split(" ").some((s) => levels.has(s)));
    if (!wanted)
        return;
    for (const panel of document.querySelectorAll("#view-findings .panel"))
        if (wanted.has(panel.dataset.rule)) {
            panel.open = true;
            requestAnimationFrame(() => panel.scrollIntoView({block: "start"}));
        }
}

// --- policies ------------------------------------------------------------------------------------------------------------------

function drawPolicies() {
    const names = policyNames(), view = byId("view-policies");
    view.replaceChildren(h("div.head", h("h2", {id: "h-policies"}, "Policies"), h("p", names.length ? "Clause by clause, with the number of endpoints under each verdict. A number leads to them." : "No policy was asked for: “--policy” of scan or audit names one.")),
        ...names.map(policySection));
}

function policySection(name) {
    const from = objects(object(run.start).policies).find((p) => p.name === name);
    const seen = new Map();
    let version = from && from.version, as_of = from && from.as_of;
    for (const row of rows)
        for (const policy of row.policies)
            if (policy.name === name) {
                seen.set(policy, (seen.get(policy) || 0) + 1);
                version = version || policy.version;
                as_of = as_of || policy.as_of;
            }
    const clauses = new Map(), verdicts = new Map(), unverified = new Set(), blamed = new Map();
    for (const [policy, n] of seen) {
        verdicts.set(policy.verdict, (verdicts.get(policy.verdict) || 0) + n);
        for (const verdict of VERDICTS)
            for (const text of texts(object(policy.clauses)[verdict])) {
                if (!clauses.has(text))
                    clauses.set(text, Object.fromEntries(VERDICTS.map((v) => [v, 0])));
                clauses.get(text)[verdict] += n;
            }
        for (const text of texts(policy.unverified))
            unverified.add(text);
        for (const verdict of ["fail", "warn"])
            for (const id of texts(policy[verdict]))
                blamed.set(id, (blamed.get(id) || 0) + n);
    }
    const parts = verdictParts(verdicts, name);
    const sorted = [...clauses].sort((a, b) => { for (const v of VERDICTS) if (a[1][v] !== b[1][v]) return b[1][v] - a[1][v]; return byText(a[0], b[0]); });
    const cell = (text, verdict, n) => h("td.r" + (n ? "" : ".zero"), n ? h("a.v-" + verdict, {href: only("clause", [name, text, verdict].join("\n"))}, count(n)) : "0");
    return h("section.card.w12.long.policy", {"data-policy": name},
        h("div.policy-head", h("div", h("h3", net(name, {most: 100})), h("p.sub.soft.small", version ? ["version ", net(textOf(version), {most: 120})] : null, as_of ? [", as read on ", net(textOf(as_of), {most: 20})] : null)),
            h("div", stack(parts, 0, true), legend(parts))),
        sorted.length ? h("div.scroll", h("table.data.clauses", h("thead", h("tr", h("th", {scope: "col"}, "Clause"), VERDICTS.map((v) => h("th.r", {scope: "col"}, words(v))))),
            h("tbody", sorted.map(([text, counts]) => h("tr", h("th", {scope: "row"}, clause(text, unverified.has(text))), VERDICTS.map((v) => cell(text, v, counts[v]))))))) : h("p.soft", "No endpoint was judged by it."),
        blamed.size ? h("p.after.small.soft", "Rules behind it: ", [...blamed].sort((a, b) => b[1] - a[1]).slice(0, 30).flatMap(([id, n], i) => [i ? ", " : "", h("a", {href: only("rule", id)}, net(id, {most: 60})), ` (${count(n)})`])) : null,
        unverified.size ? h("p.after.small.soft", "“unverified”: the clause was not read in the source itself, but in what others say of it.") : null);
}

function openPolicy(name) {
    for (const section of document.querySelectorAll("#view-policies .policy"))
        if (name && section.dataset.policy === name)
            requestAnimationFrame(() => section.scrollIntoView({block: "start"}));
}

// --- the run ------------------------------------------------------------------------------------------------------------------

function drawRun() {
    const start = object(run.start), scope = object(start.scope), view = byId("view-run");
    const rest = (from, ...without) => Object.fromEntries(Object.entries(from).filter(([key]) => !without.includes(key)));
    view.replaceChildren(h("div.head", h("h2", {id: "h-run"}, "This run"), h("p", "What was to be scanned, by what and how, and what the run says of itself.")),
        h("div.cards",
            h("div.stacked.w6", card("w12", "Scope", null, factTable(rest(scope, "targets")), list(scope.targets).length ? h("details.fold", h("summary", "Targets", h("span.n", count(list(scope.targets).length) + (scope.targets_total > scope.targets.length ? ` of ${count(scope.targets_total)}` : ""))), h("div", h("pre.raw", {tabindex: 0}, net(texts(scope.targets).join("\n"), {most: 20000, block: true})))) : null),
                card("w12", "Began", null, run.start ? factTable(rest(start, "scope", "options", "policies", "type")) : h("p", "The records have no beginning of a run.")), card("w12", "Ended", null, run.end ? factTable(rest(run.end, "waivers", "type")) : h("p", "It did not: the records end without it."))),
            h("div.stacked.w6", card("w12", "Options", "All that have a say in the result, defaults included.", factTable(object(start.options)))),
            list(start.policies).length ? card("w12", "Policies", null, h("div.scroll", h("table.data", h("thead", h("tr", ["Name", "Version", "As of", "SHA-256"].map((n) => h("th", {scope: "col"}, n)))),
                h("tbody", objects(start.policies).map((p) => h("tr", h("th", {scope: "row"}, net(textOf(p.name), {most: 80})), h("td", net(textOf(p.version), {most: 80})), h("td", net(textOf(p.as_of), {most: 20})), h("td.mono", net(textOf(p.sha256), {most: 80})))))))) : null,
            run.notAsked.length ? card("w12.long", "Not asked", "Endpoints that are known from earlier runs, and that the targets of this run left out.", h("table.data", h("thead", h("tr", ["Endpoint", "Address", "Reason"].map((n) => h("th", {scope: "col"}, n)))),
                h("tbody", run.notAsked.slice(0, 500).map((r) => h("tr", h("th", {scope: "row"}, net(textOf(object(r.endpoint).key), {most: 100})), h("td", net(textOf(object(r.endpoint).ip), {most: 60})), h("td", words(flat(textOf(r.reason), 40)))))))) : null));
}

// --- a host -------------------------------------------------------------------------------------------------------------------

const hostView = byId("view-host");

function closeHost() {
    if (hostView.childNodes.length)
        hostView.replaceChildren();
}

function openHost(id) {
    const mine = rows.filter((row) => hostId(row) === id).sort((a, b) => a.port - b.port || byText(a.key, b.key));
    if (!mine.length) {
        hostView.replaceChildren(h("p.crumb", h("a", {href: lastTable}, "‹ Endpoints")), h("h2", {id: "h-host"}, "Not in this report"), h("p", "There is no host ", net(id, {most: 100}), " in the run that is shown."));
        return "Not in this report";
    }
    const records = mine.map(recordOf), first = mine[0];
    const worst = Math.min(...mine.map((row) => row.worst)), open = mine.reduce((sum, row) => sum + row.open, 0), waived = mine.reduce((sum, row) => sum + row.waived, 0);
    const labels = new Map(mine.flatMap((row) => Object.entries(row.labels)));
    hostView.replaceChildren(
        h("p.crumb", h("a", {href: lastTable}, "‹ Endpoints")),
        h("div.hosthead", h("h2", {id: "h-host"}, net(first.host, {most: 300})), severityBadge(worst)),
        h("div.hostmeta", first.ip && first.ip !== first.host ? h("span.mono", net(first.ip)) : null, h("span", plural(mine.length, "endpoint")), h("span", plural(open, "open finding") + (waived ? `, ${count(waived)} waived` : "")),
            labels.size ? h("span.tags", [...labels].map(([key, value]) => h("span.tag", net(`${key}=${textOf(value)}`, {most: 80})))) : null),
        h("section.card.w12", h("h3", "At a glance"), h("div.scroll", {tabindex: 0, role: "region", "aria-label": "Endpoints of this host, side by side"}, compareTable(mine, records))),
        ...mine.map((row, i) => endpointSection(row, records[i])));
    return first.host;
}

function scrollToEndpoint(key) {
    const sections = [...hostView.querySelectorAll(".endpoint")];
    const mine = sections.find((section) => section.dataset.key === key);
    if (!mine || sections[0] === mine)
        return false;
    mine.scrollIntoView({block: "start"});
    return true;
}

function compareTable(mine, records) {
    const line = (name, of) => h("tr", h("th", {scope: "row"}, name), mine.map((row, i) => h("td", of(row, records[i], i))));
    const versionRow = (version, j) => line(versionName(version), (row, record) => {
        const v = objects(object(record.tls).versions)[j];
        return v ? versionStatus(v, false) : h("span.t-soft", "–");
    });
    return h("table.compare", h("thead", h("tr", h("th", {scope: "col"}, h("span.quiet", "Fact")), mine.map((row) => h("th", {scope: "col"}, h("a", {href: hostLink(row), onclick: (event) => { event.preventDefault(); jump(row.key); }}, `${row.port} `, net(row.protocol)))))),
        h("tbody", line("Worst finding", (row) => severityBadge(row.worst)), line("Open findings", (row) => [count(row.open), row.waived ? h("span.soft", ` +${row.waived} waived`) : ""]), line("Status", (row) => flat(words(row.status), 40)),
            line("Mode", (row) => row.observed && row.observed !== row.mode ? [flat(row.mode, 40), h("span.t-warn", " seen: " + flat(row.observed, 40))] : flat(row.mode, 40)), line("STARTTLS", (row) => word(row.starttls, WORD_CLASS)),
            line("Login in clear", (row) => word(row.login, LOGIN_CLASS)), VERSIONS.map((_, j) => versionRow(VERSIONS[5 - j], 5 - j)), line("Certificate ends in", daysLeft), line("Trust", (row) => row.certificate ? row.untrusted ? h("span.t-bad", "not trusted") : row.misnamed ? h("span.t-bad", "another name") : h("span.t-good", "nothing against it") : h("span.t-soft", "–")),
            policyNames().map((name) => line(net(name, {most: 40}), (row) => { const p = row.policies.find((q) => q.name === name); return p ? badge(p.verdict) : h("span.t-soft", "–"); }))));
}

function jump(key) {
    const section = [...hostView.querySelectorAll(".endpoint")].find((element) => element.dataset.key === key);
    if (!section)
        return;
    section.scrollIntoView({block: "start"});
    const heading = section.querySelector("h3");
    heading.tabIndex = -1;
    heading.focus({preventScroll: true});
}

const RESTS = names({alert: "an alert", close: "the connection was closed", reset: "the connection was reset", chose_lower: "a lower version was chosen", inferred: "inferred from an alert to a hello that named it"});

function versionStatus(v, long) {
    if (v.status === "accepted") {
        const old = OLD.has((v.protocol === "ssl" ? "ssl" : "") + v.version);
        return h("span." + (old ? "t-bad" : "t-good"), "accepted");
    }
    return v.status === "rejected" ? h("span.t-soft", "rejected") : openMark(long ? flat(words(textOf(v.status)), 40) : "not known");
}

/** One endpoint, with all that its record says. */
function endpointSection(row, record) {
    const said = list(record.transcript), why = new Map(objects(record.unknown).map((u) => [textOf(u.path), textOf(u.reason)])), lossy = new Set(texts(record.lossy));
    const part = (name, ...children) => h("div.part", h("h4", name), ...children);
    const facts = (path, from, ...without) => factTable(from, {path, why, lossy, without});
    const tls = object(record.tls), hasTls = record.tls && typeof record.tls === "object";
    const {endpoint, error} = record;
    const shown = new Set();
    const tell = (name, path, value, ...without) => {
        shown.add(path);
        if (value === null)
            return part(name, h("p.soft", NULLS[path] || "does not apply"));
        if (value === undefined)
            return part(name, why.has(path) ? h("p", openMark("not known"), h("span.soft", ": " + flat(words(why.get(path)), 60))) : h("p.soft", LEFT_OUT[path] || "was not asked"));
        return part(name, facts(path, value, ...without));
    };
    const parts = [
        h("div.two", part("What answered", facts("", {status: record.status, error, banner: record.banner, anomalies: record.anomalies, time: record.time, duration_ms: record.duration_ms, connections: record.connections}),), part("Endpoint", facts("/endpoint", endpoint))),
        h("div.two", tell("STARTTLS", "/starttls", record.starttls), tell("Login", "/auth", record.auth, "capabilities", "mechanisms")),
        capabilitiesPart(record.auth, why, lossy),
        hasTls ? h("div.two", part("Versions", versionsTable(objects(tls.versions))), tell("TLS", "/tls", record.tls, "versions", "versions_accepted", "certificate", "chain")) : null,
        hasTls ? h("div.two", part("Certificate", certificatePart(tls, facts, why)), part("Chain, as it was sent", chainPart(objects(tls.chain)))) : null,
        hasTls && !record.data_channel ? null : h("div.two", hasTls ? null : tell("TLS", "/tls", record.tls), tell("Data channel", "/data_channel", record.data_channel)),
    ];
    const known = ["schema", "type", "run_id", "time", "duration_ms", "connections", "endpoint", "status", "error", "banner", "anomalies", "starttls", "auth", "data_channel", "tls", "unknown", "lossy", "checks", "policies", "findings", "severity_max", "transcript"];
    const more = Object.fromEntries(Object.entries(record).filter(([key]) => !known.includes(key)));
    if (Object.keys(more).length)
        parts.push(part("More", facts("", more)));
    return h("article.endpoint", {"data-key": row.key},
        h("header", h("h3", `${row.port} `, net(row.protocol.toUpperCase())), severityBadge(row.worst), h("span.soft", flat(row.mode, 40)), h("span.mono", net(row.key, {most: 200}))),
        h("div.body",
            h("div.part", h("h4", plural(row.found.length, "finding")), row.found.length ? objects(record.findings).map(foundCard) : h("p.soft", "No rule found anything here.")),
            parts,
            why.size ? part(h("span", "Not known"), h("table.facts", h("tbody", [...why].map(([path, reason]) => h("tr", h("th.mono", {scope: "row"}, net(path, {most: 120})), h("td", openMark(words(flat(reason, 60))))))))) : null,
            lossy.size ? part("Cleaned", h("p.small.soft", "Text at these places was not clean UTF-8, held control characters, or was too long: what is shown is what was left of it."), h("ul", [...lossy].map((path) => h("li.mono", net(path, {most: 120}))))) : null,
            h("div.folds", policyFolds(objects(record.policies)), fold("Checks", checksSay(record.checks), () => checksPart(object(record.checks))),
                said.length ? fold("Transcript", plural(said.length, "line"), () => transcriptPart(said)) : record.transcript === null ? h("details.fold", h("summary", "Transcript", h("span.n", "not asked for")), h("div", h("p.soft", "--transcript records what was said."))) : null,
                fold("The record itself", "JSON, with every member", () => h("pre.raw", {tabindex: 0}, net(JSON.stringify(record, null, 2), {most: 60000, block: true}))))));
}

const NULLS = names({"/starttls": "The port begins with TLS: there is nothing to upgrade.", "/tls": "The upgrade was refused: there was no TLS.", "/data_channel": "The protocol has none."});
const LEFT_OUT = names({"/tls": "No hello was sent: it did not come that far.", "/starttls": "It did not come that far.", "/auth": "It did not come that far.", "/data_channel": "It did not come that far."});

function fold(name, note, build) {
    const box = h("div"), element = h("details.fold", h("summary", name, h("span.n", note)), box);
    element.addEventListener("toggle", () => {
        if (element.open && !box.childNodes.length)
            add(box, [build()]);
    });
    return element;
}

function foundCard(finding) {
    const waiver = finding.waiver && object(finding.waiver), severity = SEVERITIES.includes(finding.severity) ? finding.severity : "info";
    const evidence = Object.entries(object(finding.evidence));
    return h("section.found.s-" + severity + (finding.status === "waived" ? ".is-waived" : ""),
        h("header", badge(severity), h("h5", net(textOf(finding.title), {most: 300})), finding.status === "waived" ? badge("waived") : null, waiver && waiver.expired === true ? badge("fail", "waiver expired") : null, finding.baseline ? badge("info", finding.baseline === "new" ? "new since the baseline" : "known from the baseline") : null),
        h("div.ids", h("a.mono", {href: "#" + new URLSearchParams({v: "findings", rule: textOf(finding.rule)})}, net(textOf(finding.rule), {most: 80})), h("span", `confidence: ${flat(textOf(finding.confidence), 30)}`), h("span.mono", net(textOf(finding.fingerprint), {most: 60}))),
        net(textOf(finding.description), {most: 3000, tag: "p"}),
        h("dl", evidence.length ? [h("dt", "Evidence"), h("dd", evidence.map(([key, value], i) => [i ? h("br") : null, h("span.soft", flat(words(key), 60) + ": "), valueOf(value)]))] : null,
            finding.remediation ? [h("dt", "What to do"), h("dd", net(textOf(finding.remediation), {most: 3000}))] : null,
            list(finding.references).length ? [h("dt", "References"), h("dd", list(finding.references).map((r, i) => [i ? " · " : "", clause(flatOrText(r))]))] : null,
            waiver ? [h("dt", "Waiver"), h("dd", Object.entries(waiver).map(([key, value], i) => [i ? " · " : "", h("span.soft", flat(words(key), 40) + ": "), valueOf(value)]))] : null,
            Object.entries(finding).filter(([key]) => !FINDING.includes(key)).map(([key, value]) => [h("dt", flat(words(key), 40)), h("dd", valueOf(value))])));
}

const FINDING = ["rule", "severity", "confidence", "title", "description", "evidence", "remediation", "references", "fingerprint", "status", "waiver", "baseline"];

function capabilitiesPart(auth, why, lossy) {
    const a = object(auth);
    if (!auth)
        return null;
    const both = (name, before, after, path) => {
        const column = (words_, other, at, plus) => {
            if (words_ === null)
                return h("span.soft", "there was no such stage");
            if (words_ === undefined)
                return openMark("not known" + (why.has(at) ? ": " + flat(words(why.get(at)), 60) : why.has(path) ? ": " + flat(words(why.get(path)), 60) : ""));
            const old = new Set(list(other));
            return list(words_).length ? h("span.tags", texts(words_).map((w) => h("span.tag" + (Array.isArray(other) && !old.has(w) ? plus : ""), {title: Array.isArray(other) && !old.has(w) ? plus === ".plus" ? "only inside TLS" : "only before TLS" : null}, net(w, {most: 80}))), lossy.has(at) ? h("span.tag.ask", "cleaned") : null) : h("span.soft", "none");
        };
        return h("tr", h("th", {scope: "row"}, name), h("td", column(before, after, path + "/before_tls", ".minus-before")), h("td", column(after, before, path + "/after_tls", ".plus")));
    };
    const capabilities = object(a.capabilities), mechanisms = a.mechanisms;
    return h("div.part", h("h4", "Capabilities"), h("div.scroll", h("table.data.small", h("thead", h("tr", h("th", {scope: "col"}, h("span.quiet", "List")), h("th", {scope: "col"}, "Before TLS"), h("th", {scope: "col"}, "Inside TLS"))),
        h("tbody", both("Capabilities", capabilities.before_tls, capabilities.after_tls, "/auth/capabilities"), mechanisms === null ? h("tr", h("th", {scope: "row"}, "SASL mechanisms"), h("td.soft", {colspan: 2}, "the protocol has none")) : both("SASL mechanisms", object(mechanisms).before_tls, object(mechanisms).after_tls, "/auth/mechanisms")))));
}

function versionsTable(versions) {
    return h("table.data.small", h("thead", h("tr", ["Version", "Verdict", "Rests on"].map((n) => h("th", {scope: "col"}, n)))),
        h("tbody", versions.slice().reverse().map((v) => h("tr", h("th", {scope: "row"}, versionName((v.protocol === "ssl" ? "ssl" : "") + flat(textOf(v.version), 10))), h("td", versionStatus(v, true)), h("td",
            v.cipher !== undefined ? h("span.mono", net(textOf(v.cipher), {most: 80})) : null, v.by ? h("span.soft", RESTS[v.by] || flat(v.by, 40)) : null, v.reason ? h("span.soft", words(flat(v.reason, 40))) : null, v.alert !== undefined ? h("span.soft", ` (alert ${flat(v.alert, 5)})`) : null,
            v.encrypt_then_mac !== undefined ? h("span.soft", v.encrypt_then_mac ? " encrypt-then-MAC" : " no encrypt-then-MAC") : null,
            Object.entries(v).filter(([key]) => !["protocol", "version", "status", "cipher", "by", "reason", "alert", "encrypt_then_mac"].includes(key)).map(([key, value]) => [" ", h("span.soft", flat(words(key), 40) + ": "), valueOf(value)]))))));
}

function certificatePart(tls, facts, why) {
    if (tls.certificate === null)
        return h("p.soft", "The server sent none.");
    if (tls.certificate === undefined)
        return h("p", openMark("not known"), h("span.soft", why.has("/tls/certificate") ? ": " + flat(words(why.get("/tls/certificate")), 60) : ""));
    return facts("/tls/certificate", tls.certificate);
}

function chainPart(chain) {
    return chain.length ? h("ol.chain", chain.map((link) => h("li", factTable(object(link))))) : h("p.soft", "None was seen.");
}

function policyFolds(policies) {
    return policies.map((policy) => fold(h("span", net(textOf(policy.name), {most: 80}), " ", badge(textOf(policy.verdict) || "info")), [policy.version ? net(textOf(policy.version), {most: 80}) : null, policy.as_of ? [", as read on ", net(textOf(policy.as_of), {most: 20})] : null], () => {
        const unverified = new Set(texts(policy.unverified)), clauses = object(policy.clauses), box = [];
        for (const verdict of ["fail", "warn"])
            if (list(policy[verdict]).length)
                box.push(h("p", badge(verdict), h("span.soft", " because of "), texts(policy[verdict]).map((id, i) => [i ? ", " : "", h("a.mono", {href: "#" + new URLSearchParams({v: "findings", rule: id})}, net(id, {most: 80}))])));
        box.push(h("table.facts", h("tbody", VERDICTS.filter((v) => list(clauses[v]).length).map((v) => h("tr", h("th", {scope: "row"}, badge(v), ` ${count(clauses[v].length)}`), h("td", h("ul", list(clauses[v]).map((text) => h("li", clause(flatOrText(text), unverified.has(text)))))))))));
        const rest = Object.entries(policy).filter(([key]) => !["name", "version", "as_of", "verdict", "fail", "warn", "clauses", "unverified"].includes(key));
        if (rest.length)
            box.push(factTable(Object.fromEntries(rest)));
        return box;
    }));
}

const checksSay = (checks) => CHECKS.map((v) => [list(object(checks)[v]).length, v]).filter(([n]) => n).map(([n, v]) => `${count(n)} ${words(v)}`).join(", ");

function checksPart(checks) {
    const why = new Map(objects(checks.reasons).map((r) => [r.rule, textOf(r.reason)]));
    return h("table.facts", h("tbody", CHECKS.filter((v) => list(checks[v]).length).map((v) => h("tr", h("th", {scope: "row"}, badge(v), ` ${count(checks[v].length)}`), h("td", h("ul.affected", texts(checks[v]).map((id) => h("li", h("span.mono", net(id, {most: 80})), why.has(id) ? h("span.soft", " " + words(flat(why.get(id), 40))) : null))))))));
}

function transcriptPart(said) {
    const box = h("div.said");
    let connection = null, drawn = 0;
    const draw = (to) => {
        for (; drawn < Math.min(to, said.length); drawn++) {
            const turn = object(said[drawn]);
            if (turn.connection !== connection) {
                connection = turn.connection;
                box.append(h("div.cut", `Connection ${flat(connection, 10)}`));
            }
            const who = turn.from === "client" ? "client" : "server";
            box.append(h("span.at", `${flat(turn.at_ms, 12)} ms`), h("span.who" + (who === "client" ? ".client" : ""), (who === "client" ? "C " : "S ") + (turn.inside_tls ? "TLS" : "clear")), h("span.text", net(textOf(turn.text), {most: 3000, block: true})));
        }
    };
    draw(300);
    if (drawn < said.length)
        box.append(h("div.cut", h("button.more", {type: "button", onclick(event) { event.target.parentNode.remove(); draw(Infinity); }}, `all ${plural(said.length, "line")}`)));
    return box;
}

// --- facts --------------------------------------------------------------------------------------------------------------------

const LABELS = names({ip: "Address", source_ip: "Asked from", sni: "Server name (SNI)", duration_ms: "Took (ms)", subject_dn: "Subject", issuer_dn: "Issuer", san_dns: "DNS names", san_ip: "IP addresses", spki_sha256: "SPKI SHA-256", sha256: "SHA-256", not_before: "Valid from", not_after: "Valid until", dh_bits: "DH bits", ocsp_url: "OCSP URL", ocsp_staple: "OCSP staple", ccc: "CCC", key_bits: "Key bits"});
const label = (key) => LABELS[key] || flat(key.charAt(0).toUpperCase() + words(key.slice(1)), 60);

function valueOf(value, most = 400) {
    if (value === null)
        return h("span.soft", {title: "It was seen that there is none, or it does not apply."}, "none / does not apply");
    if (value === true || value === false)
        return value ? "yes" : "no";
    if (typeof value === "number")
        return String(value);
    if (isText(value))
        return value === "" ? h("span.soft", "empty") : net(value, {most, block: value.includes("\n")});
    if (Array.isArray(value)) {
        if (!value.length)
            return h("span.soft", "none");
        if (value.every((item) => item === null || typeof item !== "object"))
            return h("span.tags", value.slice(0, 400).map((item) => h("span.tag", net(String(item), {most: 120}))), value.length > 400 ? `and ${count(value.length - 400)} more` : null);
        return h("ul", value.slice(0, 400).map((item) => h("li", valueOf(item))));
    }
    const entries = Object.entries(value);
    return entries.length ? h("span", entries.map(([key, item], i) => [i ? " · " : "", h("span.soft", flat(words(key), 60) + ": "), valueOf(item)])) : h("span.soft", "none");
}

/** Every member of an object, and those that are not known, with the reason. */
function factTable(from, {path = "", why = new Map(), lossy = new Set(), without = []} = {}) {
    const body = h("tbody"), line = (name, at, value) => body.append(h("tr", {title: flat(at, 200) || null}, h("th", {scope: "row"}, name), h("td", value, lossy.has(at) ? [" ", h("span.tag.ask", {title: "It was not clean text: this is what was left of it."}, "cleaned")] : null)));
    const walk = (object_, at, prefix) => {
        for (const [key, value] of Object.entries(object_)) {
            if ((at === path && without.includes(key)) || value === undefined)
                continue;
            const name = prefix ? `${prefix} › ${flat(words(key), 60)}` : label(key), here = `${at}/${key}`;
            if (value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length)
                walk(value, here, name);
            else
                line(name, here, valueOf(value));
        }
    };
    walk(object(from), path, "");
    if (path)
        for (const [at, reason] of why)
            if (at.startsWith(path + "/") && !without.includes(at.slice(path.length + 1).split("/")[0]))
                line(label(at.slice(path.length + 1).replace(/\//g, " › ")), at, [openMark("not known"), h("span.why", ": " + words(flat(reason, 60)))]);
    return body.childNodes.length ? h("table.facts", body) : h("p.soft", "Nothing is known.");
}

// --- begin ----------------------------------------------------------------------------------------------------------------------

function drawTabs() {
    const numbers = {endpoints: rows.length, findings: rows.reduce((sum, row) => sum + row.open, 0)};
    byId("tabs").replaceChildren(...TABS.filter(([view]) => view !== "policies" || policyNames().length).map(([view, name]) => h("a", {href: "#v=" + view, "data-view": view}, name, view in numbers ? h("span.n", count(numbers[view])) : null)));
}

async function redraw() {
    for (const id of ["meta", "notices"])
        byId(id).replaceChildren();
    closeHost();
    drawHeader();
    drawTabs();
    const t = totals();
    await pause();
    rulesNow = rulesFound();
    await pause();
    drawSummary(t);
    await pause();
    table.build();
    await pause();
    drawFindings();
    drawPolicies();
    drawRun();
    go(false);
}

const THEMES = ["auto", "light", "dark"];
function theme(name) {
    if (name === "auto")
        delete document.documentElement.dataset.theme;
    else
        document.documentElement.dataset.theme = name;
    byId("theme").textContent = {auto: "Auto", light: "Light", dark: "Dark"}[name];
    byId("theme").setAttribute("aria-label", `Colours: ${name}. Change`);
    byId("theme").dataset.now = name;
}

function stored(value) {
    try {
        if (value)
            localStorage.setItem("starttls-audit-theme", value);
        return localStorage.getItem("starttls-audit-theme");
    } catch (error) {
        return null;
    }
}

function listen() {
    byId("theme").addEventListener("click", () => {
        const next = THEMES[(THEMES.indexOf(byId("theme").dataset.now) + 1) % THEMES.length];
        theme(next);
        stored(next);
    });
    byId("print").addEventListener("click", () => print());
    byId("skip").addEventListener("click", (event) => {
        event.preventDefault();
        byId("main").focus();
    });
    let timer = 0;
    byId("find").addEventListener("input", (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
            const entering = place.view !== "endpoints";
            change(entering ? {view: "endpoints", q: event.target.value, chosen: new Map(), group: ""} : {q: event.target.value}, !entering);
        }, 120);
    });
    byId("find").addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "ArrowDown") {
            event.preventDefault();
            if (place.view !== "endpoints")
                change({view: "endpoints"});
            byId("grid").focus();
        } else if (event.key === "Escape") {
            event.target.blur();
        }
    });
    addEventListener("keydown", onKey);
    addEventListener("hashchange", () => go(true));
    addEventListener("popstate", () => { if (placeOf(location.hash).view === place.view) go(true); });
    addEventListener("scroll", () => table.draw(), {passive: true});
    addEventListener("resize", () => { table.draw(); });
    addEventListener("click", (event) => {
        for (const pop of document.querySelectorAll(".pop[open]"))
            if (!pop.contains(event.target))
                pop.open = false;
    });
    addEventListener("beforeprint", () => {
        for (const panel of document.querySelectorAll(document.body.classList.contains("on-host") ? "#view-host .fold" : "#view-findings .panel[data-rule]"))
            if (!panel.open && !panel.querySelector(".raw"))
                panel.dataset.shut = panel.open = true;
    });
    addEventListener("afterprint", () => {
        for (const panel of document.querySelectorAll("[data-shut]")) {
            panel.open = false;
            delete panel.dataset.shut;
        }
    });
}

function onKey(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        byId("find").focus();
        byId("find").select();
    } else if (event.key === "Escape") {
        const pop = document.querySelector(".pop[open]");
        if (pop) {
            pop.open = false;
            pop.querySelector("summary").focus();
        } else if (place.view === "host" && !typing) {
            location.hash = lastTable;
        }
    }
}

async function start() {
    theme(THEMES.find((name) => name === stored()) || "auto");
    byId("loading").hidden = false;
    await readAll();
    byId("loading").hidden = true;
    byId("bar").hidden = false;
    if (!runs.length)
        runs.push({start: null, end: null, rows: [], notAsked: []});
    show(runs[runs.length - 1]);
    history.scrollRestoration = "manual";
    place = placeOf(location.hash);
    await redraw();
    listen();
    arrive(null, "");
    document.documentElement.dataset.ready = "yes";
}

start();
})();
