// SPDX-License-Identifier: MIT
// host.js: the page of a host: its endpoints side by side, and all that their records say.

const hostView = byId("view-host");

function closeHost() {
    if (hostView.childNodes.length) hostView.replaceChildren();
}

function openHost(id) {
    const mine = rows.filter((row) => hostId(row) === id).sort((a, b) => a.port - b.port || byText(a.key, b.key));
    if (!mine.length) {
        hostView.replaceChildren(
            h("p.crumb", h("a", {href: lastTable}, "‹ Endpoints")),
            h("h2", {id: "h-host"}, "Not in this report"),
            h("p", "There is no host ", net(id, {most: 100}), " in the run that is shown.")
        );
        return "Not in this report";
    }
    const records = mine.map(recordOf),
        first = mine[0];
    const worst = Math.min(...mine.map((row) => row.worst)),
        open = mine.reduce((sum, row) => sum + row.open, 0),
        waived = mine.reduce((sum, row) => sum + row.waived, 0);
    const labels = new Map(mine.flatMap((row) => Object.entries(row.labels)));
    hostView.replaceChildren(
        h("p.crumb", h("a", {href: lastTable}, "‹ Endpoints")),
        h("div.hosthead", h("h2", {id: "h-host"}, net(first.host, {most: 300})), severityBadge(worst)),
        h(
            "div.hostmeta",
            first.ip && first.ip !== first.host ? h("span.mono", net(first.ip)) : null,
            h("span", plural(mine.length, "endpoint")),
            h("span", plural(open, "open finding") + (waived ? `, ${count(waived)} waived` : "")),
            labels.size
                ? h(
                      "span.tags",
                      [...labels].map(([key, value]) => h("span.tag", net(`${key}=${textOf(value)}`, {most: 80})))
                  )
                : null
        ),
        h(
            "section.card.w12",
            h("h3", "At a glance"),
            h(
                "div.scroll",
                {tabindex: 0, role: "region", "aria-label": "Endpoints of this host, side by side"},
                compareTable(mine, records)
            )
        ),
        ...mine.map((row, i) => endpointSection(row, records[i]))
    );
    return first.host;
}

function scrollToEndpoint(key) {
    const sections = [...hostView.querySelectorAll(".endpoint")];
    const mine = sections.find((section) => section.dataset.key === key);
    if (!mine || sections[0] === mine) return false;
    mine.scrollIntoView({block: "start"});
    return true;
}

function compareTable(mine, records) {
    const line = (name, of) =>
        h(
            "tr",
            h("th", {scope: "row"}, name),
            mine.map((row, i) => h("td", of(row, records[i], i)))
        );
    const versionRow = (version, j) =>
        line(versionName(version), (row, record) => {
            const v = objects(object(record.tls).versions)[j];
            return v ? versionStatus(v, false) : h("span.t-soft", "–");
        });
    return h(
        "table.compare",
        h(
            "thead",
            h(
                "tr",
                h("th", {scope: "col"}, h("span.quiet", "Fact")),
                mine.map((row) =>
                    h(
                        "th",
                        {scope: "col"},
                        h(
                            "a",
                            {
                                href: hostLink(row),
                                onclick: (event) => {
                                    event.preventDefault();
                                    jump(row.key);
                                },
                            },
                            `${row.port} `,
                            brief(row.protocol, 20)
                        )
                    )
                )
            )
        ),
        h(
            "tbody",
            line("Worst finding", (row) => severityBadge(row.worst)),
            line("Open findings", (row) => [
                count(row.open),
                row.waived ? h("span.soft", ` +${row.waived} waived`) : "",
            ]),
            line("Status", (row) => flat(words(row.status), 40)),
            line("Mode", (row) =>
                row.observed && row.observed !== row.mode
                    ? [flat(row.mode, 40), h("span.t-warn", " seen: " + flat(row.observed, 40))]
                    : flat(row.mode, 40)
            ),
            line("STARTTLS", (row) => word(row.starttls, WORD_CLASS)),
            line("Login in clear", (row) => word(row.login, LOGIN_CLASS)),
            VERSIONS.map((_, j) => versionRow(VERSIONS[5 - j], 5 - j)),
            line("Certificate ends in", daysLeft),
            line("Trust", (row) =>
                row.certificate
                    ? row.untrusted
                        ? h("span.t-bad", "not trusted")
                        : row.misnamed
                          ? h("span.t-bad", "another name")
                          : row.trusted
                            ? h("span.t-good", "nothing against it")
                            : h("span.t-soft", "not known")
                    : h("span.t-soft", "–")
            ),
            policyNames().map((name) =>
                line(brief(name, 40), (row) => {
                    const p = row.policies.find((q) => q.name === name);
                    return p ? badge(p.verdict) : h("span.t-soft", "–");
                })
            )
        )
    );
}

function jump(key) {
    const section = [...hostView.querySelectorAll(".endpoint")].find((element) => element.dataset.key === key);
    if (!section) return;
    section.scrollIntoView({block: "start"});
    const heading = section.querySelector("h3");
    heading.tabIndex = -1;
    heading.focus({preventScroll: true});
}

const RESTS = names({
    alert: "an alert",
    close: "the connection was closed",
    reset: "the connection was reset",
    chose_lower: "a lower version was chosen",
    inferred: "inferred from an alert to a hello that named it",
});

function versionStatus(v, long) {
    if (v.status === "accepted") {
        const old = OLD.has((v.protocol === "ssl" ? "ssl" : "") + v.version);
        return h("span." + (old ? "t-bad" : "t-good"), "accepted");
    }
    return v.status === "rejected"
        ? h("span.t-soft", "rejected")
        : openMark(long ? flat(words(textOf(v.status)), 40) : "not known");
}

/** One endpoint, with all that its record says. */
function endpointSection(row, record) {
    const said = list(record.transcript),
        why = new Map(objects(record.unknown).map((u) => [textOf(u.path), textOf(u.reason)])),
        lossy = new Set(texts(record.lossy));
    const part = (name, ...children) => h("div.part", h("h4", name), ...children);
    const facts = (path, from, ...without) => factTable(from, {path, why, lossy, without});
    const tls = object(record.tls),
        hasTls = record.tls && typeof record.tls === "object";
    const {endpoint, error} = record;
    const shown = new Set();
    const tell = (name, path, value, ...without) => {
        shown.add(path);
        if (value === null) return part(name, h("p.soft", NULLS[path] || "does not apply"));
        if (value === undefined)
            return part(
                name,
                why.has(path)
                    ? h("p", openMark("not known"), h("span.soft", ": " + flat(words(why.get(path)), 60)))
                    : h("p.soft", LEFT_OUT[path] || "was not asked")
            );
        return part(name, facts(path, value, ...without));
    };
    const parts = [
        h(
            "div.two",
            part(
                "What answered",
                facts("", {
                    status: record.status,
                    error,
                    banner: record.banner,
                    anomalies: record.anomalies,
                    time: record.time,
                    duration_ms: record.duration_ms,
                    connections: record.connections,
                })
            ),
            part("Endpoint", facts("/endpoint", endpoint))
        ),
        h(
            "div.two",
            tell("STARTTLS", "/starttls", record.starttls),
            tell("Login", "/auth", record.auth, "capabilities", "mechanisms")
        ),
        capabilitiesPart(record.auth, why, lossy),
        hasTls
            ? h(
                  "div.two",
                  part("Versions", versionsTable(objects(tls.versions))),
                  tell("TLS", "/tls", record.tls, "versions", "versions_accepted", "certificate", "chain")
              )
            : null,
        hasTls
            ? h(
                  "div.two",
                  part("Certificate", certificatePart(tls, facts, why)),
                  part("Chain, as it was sent", chainPart(objects(tls.chain)))
              )
            : null,
        hasTls && !record.data_channel
            ? null
            : h(
                  "div.two",
                  hasTls ? null : tell("TLS", "/tls", record.tls),
                  tell("Data channel", "/data_channel", record.data_channel)
              ),
    ];
    const known = [
        "schema",
        "type",
        "run_id",
        "time",
        "duration_ms",
        "connections",
        "endpoint",
        "status",
        "error",
        "banner",
        "anomalies",
        "starttls",
        "auth",
        "data_channel",
        "tls",
        "unknown",
        "lossy",
        "checks",
        "policies",
        "findings",
        "severity_max",
        "transcript",
    ];
    const more = Object.fromEntries(Object.entries(record).filter(([key]) => !known.includes(key)));
    if (Object.keys(more).length) parts.push(part("More", facts("", more)));
    return h(
        "article.endpoint",
        {"data-key": row.key},
        h(
            "header",
            h("h3", `${row.port} `, net(row.protocol.toUpperCase())),
            severityBadge(row.worst),
            h("span.soft", flat(row.mode, 40)),
            h("span.mono", net(row.key, {most: 200}))
        ),
        h(
            "div.body",
            h(
                "div.part",
                h("h4", plural(row.found.length, "finding")),
                row.found.length ? objects(record.findings).map(foundCard) : h("p.soft", "No rule found anything here.")
            ),
            parts,
            why.size
                ? part(
                      h("span", "Not known"),
                      h(
                          "table.facts",
                          h(
                              "tbody",
                              [...why].map(([path, reason]) =>
                                  h(
                                      "tr",
                                      h("th.mono", {scope: "row"}, net(path, {most: 120})),
                                      h("td", openMark(words(flat(reason, 60))))
                                  )
                              )
                          )
                      )
                  )
                : null,
            lossy.size
                ? part(
                      "Cleaned",
                      h(
                          "p.small.soft",
                          "Text at these places was not clean UTF-8, held control characters, or was too long: what is shown is what was left of it."
                      ),
                      h(
                          "ul",
                          [...lossy].map((path) => h("li.mono", net(path, {most: 120})))
                      )
                  )
                : null,
            h(
                "div.folds",
                policyFolds(objects(record.policies)),
                fold("Checks", checksSay(record.checks), () => checksPart(object(record.checks))),
                said.length
                    ? fold("Transcript", plural(said.length, "line"), () => transcriptPart(said))
                    : record.transcript === null
                      ? h(
                            "details.fold",
                            h("summary", "Transcript", h("span.n", "not asked for")),
                            h("div", h("p.soft", "--transcript records what was said."))
                        )
                      : null,
                rawFold(() =>
                    h("pre.raw", {tabindex: 0}, net(JSON.stringify(record, null, 2), {most: 60000, block: true}))
                )
            )
        )
    );
}

const NULLS = names({
    "/starttls": "The port begins with TLS: there is nothing to upgrade.",
    "/tls": "The upgrade was refused: there was no TLS.",
    "/data_channel": "The protocol has none.",
});
const LEFT_OUT = names({
    "/tls": "No hello was sent: it did not come that far.",
    "/starttls": "It did not come that far.",
    "/auth": "It did not come that far.",
    "/data_channel": "It did not come that far.",
});

/** The record as it is: for the screen alone. */
function rawFold(build) {
    const element = fold("The record itself", "JSON, with every member", build);
    element.classList.add("screen");
    return element;
}

/** What is built when it is opened, or for paper. */
const unbuilt = new WeakMap();

function fold(name, note, build) {
    const box = h("div"),
        element = h("details.fold", h("summary", name, h("span.n", note)), box);
    unbuilt.set(element, () => add(box, [build()]));
    element.addEventListener("toggle", () => element.open && buildFold(element));
    return element;
}

function buildFold(element) {
    const build = unbuilt.get(element);
    unbuilt.delete(element);
    if (build) build();
}

function foundCard(finding) {
    const waiver = finding.waiver && object(finding.waiver),
        severity = SEVERITIES.includes(finding.severity) ? finding.severity : "info";
    const evidence = Object.entries(object(finding.evidence));
    return h(
        "section.found.s-" + severity + (finding.status === "waived" ? ".is-waived" : ""),
        h(
            "header",
            badge(severity),
            h("h5", net(textOf(finding.title), {most: 300})),
            finding.status === "waived" ? badge("waived") : null,
            waiver && waiver.expired === true ? badge("fail", "waiver expired") : null,
            finding.baseline
                ? badge("info", finding.baseline === "new" ? "new since the baseline" : "known from the baseline")
                : null
        ),
        h(
            "div.ids",
            h(
                "a.mono",
                {href: "#" + new URLSearchParams({v: "findings", rule: textOf(finding.rule)})},
                brief(textOf(finding.rule), 80)
            ),
            h("span", `confidence: ${flat(textOf(finding.confidence), 30)}`),
            h("span.mono", net(textOf(finding.fingerprint), {most: 60}))
        ),
        net(textOf(finding.description), {most: 3000, tag: "p"}),
        h(
            "dl",
            evidence.length
                ? [
                      h("dt", "Evidence"),
                      h(
                          "dd",
                          evidence.map(([key, value], i) => [
                              i ? h("br") : null,
                              h("span.soft", flat(words(key), 60) + ": "),
                              valueOf(value),
                          ])
                      ),
                  ]
                : null,
            finding.remediation
                ? [h("dt", "What to do"), h("dd", net(textOf(finding.remediation), {most: 3000}))]
                : null,
            list(finding.references).length
                ? [
                      h("dt", "References"),
                      h(
                          "dd",
                          list(finding.references).map((r, i) => [i ? " · " : "", clause(flatOrText(r))])
                      ),
                  ]
                : null,
            waiver
                ? [
                      h("dt", "Waiver"),
                      h(
                          "dd",
                          Object.entries(waiver).map(([key, value], i) => [
                              i ? " · " : "",
                              h("span.soft", flat(words(key), 40) + ": "),
                              valueOf(value),
                          ])
                      ),
                  ]
                : null,
            Object.entries(finding)
                .filter(([key]) => !FINDING.includes(key))
                .map(([key, value]) => [h("dt", flat(words(key), 40)), h("dd", valueOf(value))])
        )
    );
}

const FINDING = [
    "rule",
    "severity",
    "confidence",
    "title",
    "description",
    "evidence",
    "remediation",
    "references",
    "fingerprint",
    "status",
    "waiver",
    "baseline",
];
