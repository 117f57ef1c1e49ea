// SPDX-License-Identifier: MIT
// marks.js: words, badges and charts that stand for a fact.

const KINDS = new Set([...SEVERITIES, ...VERDICTS, "waived"]);
const badge = (kind, text = flat(words(textOf(kind) || "not known"), 40)) =>
    h("span.badge." + (KINDS.has(kind) ? kind : "info"), text);
const severityBadge = (i) => (i < 5 ? badge(SEVERITIES[i]) : h("span.badge.empty", "none"));
const openMark = (text) => h("span.t-open", text);

const WORD_CLASS = names({
    works: "t-good",
    implicit: "t-good",
    hidden: "t-warn",
    none: "t-bad",
    refused: "t-bad",
    fails: "t-bad",
    "not known": "t-open",
});
const LOGIN_CLASS = names({
    accepted: "t-bad",
    "not needed": "t-bad",
    offered: "t-warn",
    refused: "t-good",
    disabled: "t-good",
    "not known": "t-open",
});
const word = (text, classes) =>
    text ? h("span." + (classes[text] || "t-plain"), text) : h("span.t-soft", {"aria-label": "does not apply"}, "–");

function versionTags(row) {
    if (!row.hasVersions) return h("span.t-soft", {"aria-label": "does not apply"}, "–");
    const tags = h("span.tags");
    VERSIONS.forEach((version, i) => {
        if ((row.versions >> i) & 1)
            tags.append(
                h(
                    "span.tag" + (OLD.has(version) ? ".old" : ""),
                    version.startsWith("ssl") ? "SSL" + version.slice(3, 4) : version
                )
            );
    });
    if (row.unsure)
        tags.append(h("span.tag.ask", {title: "of some versions it is not known whether they are accepted"}, "?"));
    return tags.childNodes.length ? tags : h("span.t-soft", "none");
}

function daysLeft(row) {
    if (!row.certificate)
        return row.expiry === "none"
            ? h("span.t-bad", "none sent")
            : row.expiry
              ? openMark("not known")
              : h("span.t-soft", {"aria-label": "does not apply"}, "–");
    if (isNaN(row.certificate.after)) return openMark("not known");
    const left = row.certificate.after - asOf(run),
        days = Math.floor(Math.abs(left) / DAY);
    const text =
        left <= 0
            ? days
                ? `expired ${count(days)} d`
                : "expired today"
            : days > 730
              ? `${Math.floor(days / 365)} years`
              : plural(days, "day");
    return h(
        "span." + (row.expiry === "expired" ? "t-bad" : ["7d", "14d"].includes(row.expiry) ? "t-warn" : "t-plain"),
        text
    );
}

/** The worst of all policies. */
function policyWord(row) {
    const verdicts = row.policies.map((p) => textOf(p.verdict));
    const worst = VERDICTS.find((v) => verdicts.includes(v));
    if (!worst) return h("span.t-soft", {"aria-label": "no policies"}, "–");
    const many = verdicts.filter((v) => v === worst).length;
    return badge(worst, words(worst) + (row.policies.length > 1 ? ` ${many}/${row.policies.length}` : ""));
}

/** parts: [{n, fill, name, href}] */
function stack(parts, total, tall) {
    const whole = total || parts.reduce((sum, part) => sum + part.n, 0);
    const bar = h("div.stack" + (tall ? ".tall" : ""), {
        role: "img",
        "aria-label":
            parts
                .filter((p) => p.n)
                .map((p) => `${p.name}: ${count(p.n)}`)
                .join(", ") || "none",
    });
    for (const part of parts) {
        if (!part.n) continue;
        const piece = h("span.f-" + part.fill, {title: `${part.name}: ${count(part.n)} (${share(part.n, whole)})`});
        piece.style.flex = `${part.n} 0 0`;
        bar.append(piece);
    }
    return bar;
}

function legend(parts) {
    return h(
        "div.legend",
        parts
            .filter((part) => part.n || part.always)
            .map((part) =>
                h(
                    part.href && part.n ? "a.key" : "span.key",
                    part.href && part.n ? {href: part.href} : {},
                    h("i.f-" + part.fill),
                    h("b", count(part.n)),
                    " ",
                    part.name
                )
            )
    );
}

/** A row of a bar chart: name, a bar of parts in relation to most, a number; a link if it leads somewhere. */
function bar(name, parts, most, amount, href) {
    const track = h("span.track", {"aria-hidden": "true"});
    let sum = 0;
    for (const part of parts) {
        sum += part.n;
        if (part.n) {
            const piece = h("span.f-" + part.fill, {title: part.name ? `${part.name}: ${count(part.n)}` : null});
            piece.style.width = `${(100 * part.n) / (most || 1)}%`;
            track.append(piece);
        }
    }
    return h(
        href ? "a" : "div",
        href ? {href} : {},
        h("span.name", name),
        track,
        h("span.num", amount === undefined ? count(sum) : amount)
    );
}

const card = (width, heading, sub, ...children) =>
    h("section.card." + width, h("h3", heading), sub ? h("p.sub", sub) : null, ...children);
const tally = (items, of) => {
    const counts = new Map();
    for (const item of items) for (const value of of(item)) counts.set(value, (counts.get(value) || 0) + 1);
    return counts;
};
