// SPDX-License-Identifier: MIT
// summary.js: the first view: what a run adds up to, in tiles and in words; its cards are in cards.js.

function totals() {
    const t = {
        open: [0, 0, 0, 0, 0],
        waived: 0,
        expired: 0,
        fresh: 0,
        known: 0,
        clear: 0,
        dark: 0,
        lacks: 0,
        isClear: 0,
        heard: 0,
        loginOpen: 0,
        upgradeOpen: 0,
    };
    for (const row of rows) {
        row.counts.forEach((n, i) => {
            t.open[i] += n;
        });
        t.waived += row.waived;
        t.clear += row.clear;
        t.dark += row.dark;
        t.heard += +!SILENT.has(row.status);
        if (row.isClear && row.status === "ok") {
            t.isClear++;
            t.loginOpen += +(!row.clear && row.login === "not known");
            t.upgradeOpen += +(row.starttls === "not known");
        }
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
        if (row.certificate) t.certificates.set(row.certificate, (t.certificates.get(row.certificate) || 0) + 1);
    t.expiry = tally([...t.certificates.keys()], (c) => [expiryOf(c.after, asOf(run))]);
    t.soon = ["7d", "14d", "30d"].reduce((sum, key) => sum + (t.expiry.get(key) || 0), 0);
    t.statuses = new Map(
        objects(object(object(run.end).endpoints).by_status).map((item) => [textOf(item.status), +item.count || 0])
    );
    if (!run.end) t.statuses = tally(rows, (row) => [row.status]);
    t.asked = [...t.statuses.values()].reduce((sum, n) => sum + n, 0);
    t.expected = tally(rows, (row) => (row.expected ? [row.expected] : []));
    return t;
}

/** Of a tile: 0 is good only where something was looked at, and all of it is known. */
const calm = (looked, open) => (looked && !open ? ".fine" : "");
const openNote = (text, open) => (open ? `${text}; of ${count(open)} not known` : text);

const tile = (kind, label, big, of, note, href) =>
    h(
        (href ? "a" : "div") + ".tile" + kind,
        href ? {href} : {},
        h("span.label", label),
        h("span.big", big, of ? h("small", " " + of) : null),
        h("span.note", note)
    );

function drawSummary(t) {
    const bad = t.open[0] + t.open[1];
    const view = byId("view-summary");
    view.replaceChildren(
        h("h2.quiet", {id: "h-summary"}, "Summary"),
        h("p.short", inShort(t)),
        h(
            "div.tiles",
            tile(
                "",
                "Hosts that answered",
                count(t.answered === null ? t.hosts : t.answered),
                t.scanned === null ? "" : `of ${count(t.scanned)}`,
                t.scanned === null
                    ? "the run has no end: hosts with records"
                    : t.scanned === t.answered
                      ? "every host that was asked"
                      : `${count(t.scanned - t.answered)} did not`,
                only("group", "host")
            ),
            tile(
                "",
                "Endpoints",
                count(rows.length),
                t.asked > rows.length ? `of ${count(t.asked)}` : "",
                `${count(t.statuses.get("ok") || 0)} spoke their protocol`,
                only()
            ),
            tile(
                bad ? ".alarm" : calm(t.heard, 0),
                "Open findings",
                count(t.all),
                "",
                t.heard || t.all
                    ? SEVERITIES.slice(0, 2)
                          .map((s, i) => `${count(t.open[i])} ${s}`)
                          .join(", ")
                    : "nothing could be judged",
                "#v=findings"
            ),
            tile(
                t.clear ? ".alarm" : calm(t.isClear, t.loginOpen),
                "Logins in clear",
                count(t.clear),
                t.isClear ? `of ${count(t.isClear)}` : "",
                openNote("take or offer a login without TLS", t.loginOpen),
                only("exposed", "login")
            ),
            tile(
                t.dark ? ".watch" : calm(t.isClear, t.upgradeOpen),
                "No working TLS",
                count(t.dark),
                t.isClear ? `of ${count(t.isClear)}` : "",
                openNote("begin in clear and stay there", t.upgradeOpen),
                only("exposed", "no_tls")
            ),
            tile(
                t.expiry.get("expired")
                    ? ".alarm"
                    : t.soon
                      ? ".watch"
                      : calm(t.certificates.size, t.expiry.get("unknown")),
                "Certificates to renew",
                count((t.expiry.get("expired") || 0) + t.soon),
                t.certificates.size ? `of ${count(t.certificates.size)}` : "",
                t.certificates.size
                    ? openNote(
                          `${count(t.expiry.get("expired") || 0)} expired, ${count(t.soon)} within 30 days`,
                          t.expiry.get("unknown")
                      )
                    : "none was seen",
                only("expiry", "expired", "expiry", "7d", "expiry", "14d", "expiry", "30d")
            )
        ),
        add(h("div.cards"), [
            cardSeverity(t),
            cardRules(t),
            cardExposed(t),
            cardVersions(),
            h("div.stacked.w7", cardCertificates(t), cardWaivers(t)),
            h("div.stacked.w5", cardCoverage(t), cardExpected(t), cardPolicies()),
            cardLabels(),
        ])
    );
}

function inShort(t) {
    const parts = [];
    const b = (text) => h("b", text);
    if (t.scanned !== null) parts.push(b(`${count(t.answered)} of ${plural(t.scanned, "host")}`), " answered. ");
    else parts.push(b(plural(t.hosts, "host")), t.hosts === 1 ? " has records. " : " have records. ");
    if (t.clear || t.dark) {
        parts.push("Of ", b(plural(t.isClear, "service")), ` that ${t.isClear === 1 ? "begins" : "begin"} in clear, `);
        parts.push(
            b(count(t.clear)),
            ` ${t.clear === 1 ? "takes or offers" : "take or offer"} a password login without TLS, and `,
            b(count(t.dark)),
            ` ${t.dark === 1 ? "has" : "have"} no working TLS. `
        );
    } else if (t.isClear) {
        parts.push("No service that begins in clear was seen to take a password there. ");
    }
    if (t.all)
        parts.push(
            b(plural(t.all, "finding")),
            t.all === 1 ? " is open" : " are open",
            t.open[0] || t.open[1]
                ? [", ", b(`${count(t.open[0])} critical`), " and ", b(`${count(t.open[1])} high`)]
                : ", none of them critical or high",
            t.fresh ? `; ${count(t.fresh)} are new since the baseline` : "",
            ". "
        );
    else parts.push(t.heard ? "Nothing is open. " : "Nothing could be judged; that there are no findings says nothing. ");
    if (t.waived) parts.push(`${plural(t.waived, "finding")} ${t.waived === 1 ? "is" : "are"} waived. `);
    return parts;
}
