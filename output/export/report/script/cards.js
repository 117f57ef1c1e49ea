// SPDX-License-Identifier: MIT
// cards.js: the cards of the first view: findings, exposure, versions, certificates, coverage, policies, waivers, labels.

function cardSeverity(t) {
    const most = Math.max(1, ...t.open);
    const endpoints = SEVERITIES.map((_, i) => rows.reduce((sum, row) => sum + +(row.counts[i] > 0), 0));
    return card(
        "w5",
        [h("span", "Findings by severity"), h("a", {href: "#v=findings"}, "All findings")],
        "Open findings; a severity leads to the endpoints that have one.",
        h(
            "div.bars.roomy",
            SEVERITIES.map((s, i) =>
                bar(
                    badge(s),
                    [{n: t.open[i], fill: s}],
                    most,
                    [count(t.open[i]), h("small", ` on ${count(endpoints[i])}`)],
                    t.open[i] ? only("severity", s) : null
                )
            )
        ),
        t.waived || t.expired
            ? h(
                  "p.after",
                  `Also ${count(t.waived)} waived`,
                  t.expired ? `, and ${count(t.expired)} whose waiver has expired, which count as open` : "",
                  "."
              )
            : null,
        t.fresh || t.known
            ? h("p.after", `Against the baseline: ${count(t.fresh)} new, ${count(t.known)} known.`)
            : null
    );
}

let rulesNow = []; // what each rule found, the gravest first

function rulesFound() {
    const found = new Map();
    for (const row of rows)
        for (const f of row.found) {
            let of = found.get(f.rule);
            if (!of)
                found.set(
                    f.rule,
                    (of = {rule: f.rule, open: [0, 0, 0, 0, 0], waived: 0, expired: 0, rows: [], worst: 5})
                );
            if (f.waived) of.waived++;
            else of.open[f.severity]++;
            of.expired += +f.expired;
            of.worst = Math.min(of.worst, f.severity + (f.waived ? 5 : 0));
            of.rows.push({row, f});
        }
    for (const of of found.values()) {
        of.all = of.open.reduce((sum, n) => sum + n, 0);
        of.worst = of.all ? of.open.findIndex((n) => n) : 5;
        of.rows.sort(
            (a, b) =>
                a.f.waived - b.f.waived || a.f.severity - b.f.severity || (a.row.sortHost < b.row.sortHost ? -1 : 1)
        );
    }
    return [...found.values()].sort((a, b) => a.worst - b.worst || b.all - a.all || (a.rule.id < b.rule.id ? -1 : 1));
}

function cardRules(t) {
    const top = rulesNow.filter((of) => of.all && of.worst < 4).slice(0, 8);
    const most = Math.max(1, ...top.map((of) => of.all));
    return card(
        "w7",
        [h("span", "What is wrong most"), h("a", {href: "#v=findings"}, "By rule")],
        "The gravest rules that found something, by the number of their open findings.",
        top.length
            ? h(
                  "div.bars.rules-top",
                  top.map((of) =>
                      h(
                          "a",
                          {href: "#" + new URLSearchParams({v: "findings", rule: of.rule.id})},
                          severityBadge(of.worst),
                          h("span.name", {title: flat(of.rule.id)}, brief(of.rule.title, 160)),
                          trackOf(of, most),
                          h("span.num", count(of.all))
                      )
                  )
              )
            : h("p.soft", t.heard ? "Nothing above info." : "Nothing could be judged.")
    );
}

function trackOf(of, most) {
    const track = h("span.track", {"aria-hidden": "true"});
    of.open.forEach((n, i) => {
        if (n) {
            const piece = h("span.f-" + SEVERITIES[i]);
            piece.style.width = `${(100 * n) / most}%`;
            track.append(piece);
        }
    });
    return track;
}

function cardExposed(t) {
    const clear = rows.filter((row) => row.isClear && row.status === "ok");
    const protocols = [...new Set(clear.map((row) => row.protocol))].sort();
    const groups = [
        ["login", (row) => row.clear, "critical"],
        ["no_tls", (row) => row.dark, "high"],
    ];
    const cell = (key, of, fill, protocol) => {
        const mine = clear.filter((row) => row.protocol === protocol),
            n = mine.filter(of).length,
            piece = h("span.f-" + fill);
        piece.style.width = `${(100 * n) / mine.length}%`;
        return h(
            "td",
            h(
                n ? "a.meter" : "span.meter",
                n ? {href: only("exposed", key, "protocol", protocol)} : {},
                h("span.track", {"aria-hidden": "true"}, n ? piece : null),
                h("span.num", count(n), h("small", ` of ${count(mine.length)}`))
            )
        );
    };
    return card(
        "w5",
        "Exposed in clear",
        `Of ${plural(t.isClear, "endpoint")} that ${t.isClear === 1 ? "begins" : "begin"} without TLS and spoke ${t.isClear === 1 ? "its" : "their"} protocol.`,
        protocols.length
            ? h(
                  "table.exposed",
                  h(
                      "thead",
                      h(
                          "tr",
                          h("th", {scope: "col"}, h("span.quiet", "Protocol")),
                          h("th", {scope: "col"}, "Takes or offers a login"),
                          h("th", {scope: "col"}, "No working TLS")
                      )
                  ),
                  h(
                      "tbody",
                      protocols.map((protocol) =>
                          h(
                              "tr",
                              h("th", {scope: "row"}, net(protocol.toUpperCase(), {most: 20})),
                              groups.map(([key, of, fill]) => cell(key, of, fill, protocol))
                          )
                      )
                  )
              )
            : h("p.soft", "There are none.")
    );
}

function cardVersions() {
    const asked = rows.filter((row) => row.hasVersions);
    const fills = ["critical", "critical", "high", "high", "good", "good"];
    return card(
        "w7",
        "Versions accepted",
        `Of ${plural(asked.length, "endpoint")} where TLS was asked for. Below TLS 1.2 all versions are obsolete (RFC 8996).`,
        h(
            "div.bars",
            VERSIONS.map((_, j) => {
                const i = 5 - j,
                    accepted = asked.filter((row) => (row.versions >> i) & 1).length,
                    unsure = asked.filter((row) => (row.unsure >> i) & 1).length;
                return bar(
                    versionName(VERSIONS[i]),
                    [
                        {n: accepted, fill: fills[i], name: "accepted"},
                        {n: unsure, fill: "open", name: "not known"},
                    ],
                    asked.length,
                    [
                        count(accepted),
                        h("small", ` ${share(accepted, asked.length)}${unsure ? ` · ${count(unsure)} not known` : ""}`),
                    ],
                    accepted ? only("version", VERSIONS[i]) : null
                );
            })
        ),
        legend([
            {
                n: asked.filter((row) => row.versions & 15).length,
                fill: "high",
                name: "accept an obsolete version",
                href: only(...VERSIONS.slice(0, 4).flatMap((v) => ["version", v])),
                always: true,
            },
            {
                n: asked.filter((row) => (row.versions >> 5) & 1).length,
                fill: "good",
                name: "accept TLS 1.3",
                href: only("version", "1.3"),
                always: true,
            },
            {n: asked.filter((row) => row.unsure).length, fill: "open", name: "with a version not known"},
        ])
    );
}

function cardCertificates(t) {
    const fills = {
        expired: "critical",
        "7d": "high",
        "14d": "high",
        "30d": "medium",
        "90d": "low",
        "180d": "good",
        "1y": "good",
        later: "good",
    };
    const most = Math.max(1, ...t.expiry.values());
    const next = [...t.certificates.entries()]
        .filter(([c]) => !isNaN(c.after))
        .sort((a, b) => a[0].after - b[0].after)
        .slice(0, 5);
    const chart = h(
        "div.columns",
        EXPIRY.map(([key, name]) => {
            const n = t.expiry.get(key) || 0,
                col = h("span.col.f-" + (n ? fills[key] : "none"), {"aria-hidden": "true"});
            col.style.height = `${Math.max(n ? 2 : 0, (68 * n) / most)}%`;
            return h(
                n ? "a" : "div",
                n ? {href: only("expiry", key)} : {},
                h("span.num" + (n ? "" : ".zero"), count(n)),
                col,
                h("span.under", name)
            );
        })
    );
    return card(
        "w7",
        "Certificates by expiry",
        `${plural(t.certificates.size, "certificate")} that servers showed, by the time left when the run began.${t.expiry.get("unknown") ? ` Of ${count(t.expiry.get("unknown"))} the end is not known.` : ""}`,
        t.certificates.size ? chart : h("p.soft", "None was seen."),
        next.length
            ? [
                  h("h4", "First to end"),
                  h(
                      "table.data.small",
                      h(
                          "thead",
                          h(
                              "tr",
                              h("th", {scope: "col"}, "Subject"),
                              h("th", {scope: "col"}, "Ends"),
                              h("th.r", {scope: "col"}, "Endpoints")
                          )
                      ),
                      h(
                          "tbody",
                          next.map(([c, n]) =>
                              h(
                                  "tr",
                                  h(
                                      "th",
                                      {scope: "row"},
                                      net(c.subject || c.names[0] || c.sha.slice(0, 16), {most: 70})
                                  ),
                                  h(
                                      "td",
                                      daysLeft({certificate: c, expiry: expiryOf(c.after, asOf(run))}),
                                      h("span.soft", " · " + new Date(c.after).toISOString().slice(0, 10))
                                  ),
                                  h("td.r", h("a", {href: only("certificate", c.sha)}, count(n)))
                              )
                          )
                      )
                  ),
              ]
            : null
    );
}

const SILENT = new Set(["closed", "timeout", "unreachable", "dns_error"]);
const STATUS_FILL = {
    ok: "good",
    closed: "none",
    refused: "medium",
    protocol_mismatch: "low",
    tls_error: "high",
    timeout: "open",
    unreachable: "open",
    dns_error: "open",
    error: "open",
};
const STATUS_SAYS = names({
    ok: "spoke their protocol",
    closed: "closed",
    refused: "refused to talk",
    protocol_mismatch: "spoke something else",
    tls_error: "no TLS came about",
    timeout: "timed out",
    unreachable: "unreachable",
    dns_error: "name not resolved",
    error: "broke off",
});

function cardCoverage(t) {
    const parts = Object.keys(STATUS_FILL).map((status) => ({
        n: t.statuses.get(status) || 0,
        fill: STATUS_FILL[status],
        name: STATUS_SAYS[status],
        href: rows.some((row) => row.status === status) ? only("status", status) : null,
    }));
    const of = (statuses) => statuses.reduce((sum, status) => sum + (t.statuses.get(status) || 0), 0);
    const closed = of(["closed"]),
        silent = of([...SILENT]) - closed;
    return card(
        "w5",
        [h("span", "Coverage"), h("a", {href: "#v=run"}, "This run")],
        "What was asked, and what is not known.",
        h(
            "p",
            h("b", plural(t.asked, "endpoint")),
            " asked: ",
            h("b", count(t.asked - closed - silent)),
            " answered, ",
            h("b", count(closed)),
            " closed, ",
            h("b", count(silent)),
            " not known (silent or out of reach)."
        ),
        h("p", "\u00a0"),
        stack(parts, t.asked, true),
        legend(parts),
        h(
            "p.after",
            t.lacks
                ? h("a", {href: only("unknown", "some")}, plural(t.lacks, "endpoint"))
                : rows.length
                  ? "No endpoint"
                  : "None of them is in the records.",
            !rows.length
                ? ""
                : t.lacks === 1
                ? " has a fact that was asked and not learnt."
                : t.lacks
                  ? " have facts that were asked and not learnt."
                  : " lacks a fact that was asked for.",
            " What is not known is never counted as safe."
        ),
        run.notAsked.length
            ? h(
                  "p.after",
                  `${plural(run.notAsked.length, "endpoint")} known from earlier runs ${run.notAsked.length === 1 ? "was" : "were"} not asked, because of the targets of this run.`
              )
            : null
    );
}

const verdictParts = (counts, name) =>
    ["fail", "warn", "inconclusive", "not_tested", "pass", "not_applicable"].map((v) => ({
        n: counts.get(v) || 0,
        fill: v,
        name: words(v),
        href: only("policy", `${name}: ${words(v)}`),
    }));

function policyNames() {
    const names = new Set(objects(object(run.start).policies).map((p) => textOf(p.name)));
    for (const row of rows) for (const policy of row.policies) names.add(textOf(policy.name));
    return [...names];
}

function cardPolicies() {
    const names = policyNames();
    if (!names.length) return null;
    return card(
        "w7",
        [h("span", "Policies"), h("a", {href: "#v=policies"}, "By clause")],
        "The verdict on each endpoint is the worst of its clauses.",
        names.map((name) => {
            const counts = tally(rows, (row) => row.policies.filter((p) => p.name === name).map((p) => p.verdict));
            const parts = verdictParts(counts, name);
            return [
                h("h4", h("a", {href: "#" + new URLSearchParams({v: "policies", on: name})}, brief(name, 80))),
                stack(parts),
                legend(parts),
            ];
        })
    );
}

function cardWaivers(t) {
    const waivers = objects(object(run.end).waivers);
    if (!waivers.length && !t.waived && !object(run.start).waivers) return null;
    const kinds = names({used: "pass", expired: "fail", stale: "inconclusive"});
    return card(
        "w5.long",
        "Waivers",
        "A waived finding stays in the report, with its mark. Stale: it matched nothing in a complete run.",
        waivers.length
            ? h(
                  "table.data",
                  h(
                      "thead",
                      h(
                          "tr",
                          ["Waiver", "State", "Expires"].map((name) => h("th", {scope: "col"}, name)),
                          h("th.r", {scope: "col"}, "Findings")
                      )
                  ),
                  h(
                      "tbody",
                      waivers
                          .slice(0, 200)
                          .map((w) =>
                              h(
                                  "tr",
                                  h("th", {scope: "row"}, net(textOf(w.id), {most: 60})),
                                  h("td", badge(kinds[w.state] || "info", words(flat(textOf(w.state), 30)))),
                                  h("td.day", net(textOf(w.expires), {most: 20})),
                                  h("td.r", count(+w.findings || 0))
                              )
                          )
                  )
              )
            : h("p", `${plural(t.waived, "finding")} waived.`)
    );
}

/** Why it is silent, or not known. A service that was not asked is told at another one of its host. */
const expectedWords = (row) =>
    row.expected === "silent"
        ? `silent: ${flat(words(row.status), 40)}`
        : row.status === "ok"
          ? "what is expected of this host was not asked, or not learnt"
          : `not known: ${flat(words(row.status), 40)}`;

function cardExpected(t) {
    if (!t.expected.size) return null;
    const silent = rows
        .filter((row) => row.expected && row.expected !== "answered")
        .sort((a, b) => (a.sortHost < b.sortHost ? -1 : 1));
    return card(
        "w5",
        "Expected services",
        "Services that the label “expect” of a target names.",
        h(
            "p",
            h("b", count(t.expected.get("answered") || 0)),
            " answered, ",
            h("b", count(t.expected.get("silent") || 0)),
            " silent, ",
            h("b", count(t.expected.get("not known") || 0)),
            " not known."
        ),
        silent.length
            ? h(
                  "ul",
                  silent
                      .slice(0, 8)
                      .map((row) =>
                          h(
                              "li",
                              h("a", {href: hostLink(row)}, brief(row.key, 80)),
                              " ",
                              h("span.soft", expectedWords(row))
                          )
                      )
              )
            : null,
        silent.length > 8
            ? h(
                  "p.after",
                  h("a", {href: only("expected", "silent", "expected", "not known")}, `all ${count(silent.length)}`)
              )
            : null
    );
}

function cardLabels() {
    if (!labelKeys.length) return null;
    const box = h("div"),
        choice =
            labelKeys.length > 1
                ? h(
                      "select.field",
                      {"aria-label": "Label to group by", onchange: (event) => draw(event.target.value)},
                      labelKeys.map((key) => h("option", {value: key}, flat(key, 40)))
                  )
                : null;
    if (choice) choice.style.width = "auto";
    const draw = (key) => {
        const groups = new Map();
        for (const row of rows) {
            const value = isText(row.labels[key]) ? row.labels[key] : "";
            let of = groups.get(value);
            if (!of)
                groups.set(
                    value,
                    (of = {value, endpoints: 0, open: [0, 0, 0, 0, 0], waived: 0, clear: 0, hosts: new Set()})
                );
            of.endpoints++;
            of.hosts.add(hostId(row));
            row.counts.forEach((n, i) => {
                of.open[i] += n;
            });
            of.waived += row.waived;
            of.clear += row.clear;
        }
        const sorted = [...groups.values()].sort((a, b) => {
            for (let i = 0; i < 5; i++) if (a.open[i] !== b.open[i]) return b.open[i] - a.open[i];
            return b.endpoints - a.endpoints;
        });
        const cell = (n, href) => h("td.r" + (n ? "" : ".zero"), n && href ? h("a", {href}, count(n)) : count(n));
        box.replaceChildren(
            h(
                "div.scroll",
                h(
                    "table.data",
                    h(
                        "thead",
                        h(
                            "tr",
                            h("th", {scope: "col"}, net(key, {most: 40})),
                            [
                                "Hosts",
                                "Endpoints",
                                ...SEVERITIES.map((s) => s[0].toUpperCase() + s.slice(1)),
                                "Waived",
                                "Logins in clear",
                            ].map((name) => h("th.r", {scope: "col"}, name))
                        )
                    ),
                    h(
                        "tbody",
                        sorted.slice(0, 25).map((of) =>
                            h(
                                "tr",
                                h(
                                    "th",
                                    {scope: "row"},
                                    h(
                                        "a",
                                        {href: only("label." + key, of.value)},
                                        of.value ? brief(of.value, 80) : "(none)"
                                    )
                                ),
                                cell(of.hosts.size),
                                cell(of.endpoints),
                                of.open.map((n, i) =>
                                    cell(n, only("label." + key, of.value, "severity", SEVERITIES[i]))
                                ),
                                cell(of.waived),
                                cell(of.clear, only("label." + key, of.value, "exposed", "login"))
                            )
                        )
                    )
                )
            ),
            sorted.length > 25 ? h("p.after", `and ${count(sorted.length - 25)} more`) : ""
        );
    };
    draw(labelKeys[0]);
    return card("w12.long", [h("span", "By label"), choice], "Open findings of the targets that carry a label.", box);
}
