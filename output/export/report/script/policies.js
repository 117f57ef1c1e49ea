// SPDX-License-Identifier: MIT
// policies.js: the view of policies: clause by clause.

function drawPolicies() {
    const names = policyNames(),
        view = byId("view-policies");
    view.replaceChildren(
        h(
            "div.head",
            h("h2", {id: "h-policies"}, "Policies"),
            h(
                "p",
                names.length
                    ? "Clause by clause, with the number of endpoints under each verdict. A number leads to them."
                    : "No policy was asked for: “--policy” of scan or audit names one."
            )
        ),
        ...names.map(policySection)
    );
}

function policySection(name) {
    const from = objects(object(run.start).policies).find((p) => p.name === name);
    const seen = new Map();
    let version = from && from.version,
        as_of = from && from.as_of;
    for (const row of rows)
        for (const policy of row.policies)
            if (policy.name === name) {
                seen.set(policy, (seen.get(policy) || 0) + 1);
                version = version || policy.version;
                as_of = as_of || policy.as_of;
            }
    const clauses = new Map(),
        verdicts = new Map(),
        unverified = new Set(),
        blamed = new Map();
    for (const [policy, n] of seen) {
        verdicts.set(policy.verdict, (verdicts.get(policy.verdict) || 0) + n);
        for (const verdict of VERDICTS)
            for (const text of texts(object(policy.clauses)[verdict])) {
                if (!clauses.has(text)) clauses.set(text, Object.fromEntries(VERDICTS.map((v) => [v, 0])));
                clauses.get(text)[verdict] += n;
            }
        for (const text of texts(policy.unverified)) unverified.add(text);
        for (const verdict of ["fail", "warn"])
            for (const id of texts(policy[verdict])) blamed.set(id, (blamed.get(id) || 0) + n);
    }
    const parts = verdictParts(verdicts, name);
    const sorted = [...clauses].sort((a, b) => {
        for (const v of VERDICTS) if (a[1][v] !== b[1][v]) return b[1][v] - a[1][v];
        return byText(a[0], b[0]);
    });
    const cell = (text, verdict, n) =>
        h(
            "td.r" + (n ? "" : ".zero"),
            n ? h("a.v-" + verdict, {href: only("clause", [name, text, verdict].join("\n"))}, count(n)) : "0"
        );
    return h(
        "section.card.w12.long.policy",
        {"data-policy": name},
        h(
            "div.policy-head",
            h(
                "div",
                h("h3", net(name, {most: 100})),
                h(
                    "p.sub.soft.small",
                    version ? ["version ", net(textOf(version), {most: 120})] : null,
                    as_of ? [", as read on ", net(textOf(as_of), {most: 20})] : null
                )
            ),
            h("div", stack(parts, 0, true), legend(parts))
        ),
        sorted.length
            ? h(
                  "div.scroll",
                  h(
                      "table.data.clauses",
                      h(
                          "thead",
                          h(
                              "tr",
                              h("th", {scope: "col"}, "Clause"),
                              VERDICTS.map((v) => h("th.r", {scope: "col"}, words(v)))
                          )
                      ),
                      h(
                          "tbody",
                          sorted.map(([text, counts]) =>
                              h(
                                  "tr",
                                  h("th", {scope: "row"}, clause(text, unverified.has(text))),
                                  VERDICTS.map((v) => cell(text, v, counts[v]))
                              )
                          )
                      )
                  )
              )
            : h("p.soft", "No endpoint was judged by it."),
        blamed.size
            ? h(
                  "p.after.small.soft",
                  "Rules behind it: ",
                  [...blamed]
                      .sort((a, b) => b[1] - a[1])
                      .slice(0, 30)
                      .flatMap(([id, n], i) => [
                          i ? ", " : "",
                          h("a", {href: only("rule", id)}, brief(id, 60)),
                          ` (${count(n)})`,
                      ])
              )
            : null,
        unverified.size
            ? h(
                  "p.after.small.soft",
                  "“unverified”: the clause was not read in the source itself, but in what others say of it."
              )
            : null
    );
}

function openPolicy(name) {
    for (const section of document.querySelectorAll("#view-policies .policy"))
        if (name && section.dataset.policy === name)
            requestAnimationFrame(() => section.scrollIntoView({block: "start"}));
}
