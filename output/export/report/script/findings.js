// SPDX-License-Identifier: MIT
// findings.js: the view of findings: rule by rule, and what was checked.

const AFFECTED = 15;

function drawFindings() {
    const found = rulesNow,
        view = byId("view-findings");
    const all = found.reduce((sum, of) => sum + of.all, 0),
        waived = found.reduce((sum, of) => sum + of.waived, 0);
    view.replaceChildren(
        h(
            "div.head",
            h("h2", {id: "h-findings"}, "Findings"),
            h(
                "p",
                `${plural(all, "open finding")} of ${plural(found.filter((of) => of.all).length, "rule")}${waived ? `, ${count(waived)} waived` : ""}. The gravest first.`
            )
        ),
        h(
            "div.levels",
            {role: "group", "aria-label": "Rules by the severity of their open findings"},
            ["", ...SEVERITIES].map((s, i) =>
                h(
                    "a",
                    {href: s ? `#v=findings&severity=${s}` : "#v=findings", "data-severity": s},
                    s || "All rules",
                    h("span.n", count(s ? found.filter((of) => of.open[i - 1]).length : found.length))
                )
            )
        ),
        h("div.panels", found.length ? found.map(rulePanel) : h("p.nothing", foundNothing())),
        checksPanel()
    );
}

const foundNothing = () =>
    rows.some((row) => !SILENT.has(row.status)) ? "No rule found anything." : "Nothing could be judged.";

function rulePanel(of) {
    const finding = of.rule.finding,
        body = h("div.body");
    const shown = of.rows.slice(0, AFFECTED);
    const severities =
        of.open.filter((n) => n).length > 1
            ? h(
                  "p.small.soft",
                  "Of which ",
                  SEVERITIES.filter((_, i) => of.open[i])
                      .map((s) => `${count(of.open[SEVERITIES.indexOf(s)])} ${s}`)
                      .join(", "),
                  ": it depends on what else is so."
              )
            : null;
    add(body, [
        h(
            "div.sides",
            h("div", net(textOf(finding.description), {most: 4000, tag: "p"}), severities),
            h(
                "div",
                h("h3", "What to do"),
                net(textOf(finding.remediation), {most: 4000, tag: "p"}),
                references(finding)
            )
        ),
        h(
            "div",
            h(
                "h3.soft",
                "On ",
                h("a", {href: only("rule", of.rule.id)}, plural(new Set(of.rows.map((r) => r.row)).size, "endpoint"))
            ),
            h(
                "ul.affected",
                shown.map(({row, f}) =>
                    h(
                        "li",
                        h("a", {href: hostLink(row)}, brief(row.key, 80)),
                        row.ip && row.ip !== row.host ? h("span.soft", " ", net(row.ip)) : null,
                        f.waived ? badge("waived") : null,
                        f.expired ? badge("fail", "waiver expired") : null,
                        f.baseline === "new" ? badge("info", "new") : null
                    )
                )
            ),
            of.rows.length > shown.length
                ? h(
                      "p.small",
                      h("a", {href: only("rule", of.rule.id)}, `and ${count(of.rows.length - shown.length)} more`)
                  )
                : null
        ),
    ]);
    const panel = h(
        "details.panel",
        {"data-rule": of.rule.id, "data-severities": SEVERITIES.filter((_, i) => of.open[i]).join(" ")},
        h(
            "summary",
            of.all ? severityBadge(of.worst) : badge("waived"),
            h("span", h("span.name", brief(of.rule.title, 200)), h("span.id", brief(of.rule.id, 80))),
            h(
                "span.n",
                h("b", count(of.all)),
                of.waived ? `+ ${count(of.waived)} waived` : of.all === 1 ? "finding" : "findings"
            )
        ),
        body
    );
    return panel;
}

function references(finding) {
    const items = list(finding.references).filter(isText);
    return items.length
        ? [
              h("h3", "References"),
              h(
                  "p.refs",
                  items.map((item, i) => [i ? " · " : "", clause(item)])
              ),
          ]
        : null;
}

function clause(text, isUnverified) {
    const match = /^(.*?) ?\(unverified\)$/.exec(text);
    const name = net(match ? match[1] : text, {most: 300});
    return match || isUnverified
        ? [name, " ", h("span.unverified", {title: "This was not read in the source itself."}, "unverified")]
        : name;
}

/** Every rule, and how often it came to which verdict. */
function checksPanel() {
    const body = h("div.body");
    const panel = h(
        "details.panel.alone",
        h(
            "summary",
            badge("info", "all rules"),
            h(
                "span",
                h("span.name", "What was checked"),
                h("span.id", "Every rule, and on how many endpoints it passed, failed, or could not be judged")
            ),
            h("span.n")
        ),
        body
    );
    panel.addEventListener("toggle", () => {
        if (panel.open && !body.childNodes.length) body.append(h("div.scroll", checksTable()));
    });
    return panel;
}

const CHECKS = ["fail", "inconclusive", "not_tested", "pass", "not_applicable"];

function checksTable() {
    const seen = new Map(),
        byRule = new Map();
    for (const row of rows) {
        const checks = members(lineValue(row.line, RECORD), "checks").checks;
        seen.set(checks, (seen.get(checks) || 0) + 1);
    }
    for (const [checks, n] of seen)
        for (const verdict of CHECKS)
            for (const id of texts(object(checks)[verdict])) {
                if (!byRule.has(id)) byRule.set(id, Object.fromEntries(CHECKS.map((v) => [v, 0])));
                byRule.get(id)[verdict] += n;
            }
    const sorted = [...byRule].sort((a, b) => b[1].fail - a[1].fail || byText(a[0], b[0]));
    return h(
        "table.data.small",
        h(
            "thead",
            h(
                "tr",
                h("th", {scope: "col"}, "Rule"),
                CHECKS.map((v) => h("th.r", {scope: "col"}, words(v)))
            )
        ),
        h(
            "tbody",
            sorted.map(([id, counts]) =>
                h(
                    "tr",
                    h("th.mono", {scope: "row"}, brief(id, 80)),
                    CHECKS.map((v) =>
                        h(
                            "td.r" + (counts[v] ? "" : ".zero"),
                            v === "fail" && counts[v]
                                ? h("a", {href: only("rule", id)}, count(counts[v]))
                                : count(counts[v])
                        )
                    )
                )
            )
        )
    );
}

function openRule(wanted) {
    const levels = place.chosen.get("severity");
    for (const link of document.querySelectorAll(".levels a"))
        if (levels ? levels.has(link.dataset.severity) : !link.dataset.severity)
            link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
    for (const panel of document.querySelectorAll("#view-findings .panel[data-rule]"))
        panel.classList.toggle(
            "off",
            Boolean(levels) && !panel.dataset.severities.split(" ").some((s) => levels.has(s))
        );
    if (!wanted) return;
    for (const panel of document.querySelectorAll("#view-findings .panel"))
        if (wanted.has(panel.dataset.rule)) {
            panel.open = true;
            requestAnimationFrame(() => panel.scrollIntoView({block: "start"}));
        }
}
