// SPDX-License-Identifier: MIT
// parts.js: what an endpoint's record says, a part at a time: capabilities, versions, certificate, verdicts, transcript.

function capabilitiesPart(auth, why, lossy) {
    const a = object(auth);
    if (!auth) return null;
    const both = (name, before, after, path) => {
        const column = (words_, other, at, plus) => {
            if (words_ === null) return h("span.soft", "there was no such stage");
            if (words_ === undefined)
                return openMark(
                    "not known" +
                        (why.has(at)
                            ? ": " + flat(words(why.get(at)), 60)
                            : why.has(path)
                              ? ": " + flat(words(why.get(path)), 60)
                              : "")
                );
            const old = new Set(list(other));
            return list(words_).length
                ? h(
                      "span.tags",
                      texts(words_).map((w) =>
                          h(
                              "span.tag" + (Array.isArray(other) && !old.has(w) ? plus : ""),
                              {
                                  title:
                                      Array.isArray(other) && !old.has(w)
                                          ? plus === ".plus"
                                              ? "only inside TLS"
                                              : "only before TLS"
                                          : null,
                              },
                              net(w, {most: 80})
                          )
                      ),
                      lossy.has(at) ? h("span.tag.ask", "cleaned") : null
                  )
                : h("span.soft", "none");
        };
        return h(
            "tr",
            h("th", {scope: "row"}, name),
            h("td", column(before, after, path + "/before_tls", ".minus-before")),
            h("td", column(after, before, path + "/after_tls", ".plus"))
        );
    };
    const capabilities = object(a.capabilities),
        mechanisms = a.mechanisms;
    return h(
        "div.part",
        h("h4", "Capabilities"),
        h(
            "div.scroll",
            h(
                "table.data.small",
                h(
                    "thead",
                    h(
                        "tr",
                        h("th", {scope: "col"}, h("span.quiet", "List")),
                        h("th", {scope: "col"}, "Before TLS"),
                        h("th", {scope: "col"}, "Inside TLS")
                    )
                ),
                h(
                    "tbody",
                    both("Capabilities", capabilities.before_tls, capabilities.after_tls, "/auth/capabilities"),
                    mechanisms === null
                        ? h(
                              "tr",
                              h("th", {scope: "row"}, "SASL mechanisms"),
                              h("td.soft", {colspan: 2}, "the protocol has none")
                          )
                        : both(
                              "SASL mechanisms",
                              object(mechanisms).before_tls,
                              object(mechanisms).after_tls,
                              "/auth/mechanisms"
                          )
                )
            )
        )
    );
}

function versionsTable(versions) {
    return h(
        "table.data.small",
        h(
            "thead",
            h(
                "tr",
                ["Version", "Verdict", "Rests on"].map((n) => h("th", {scope: "col"}, n))
            )
        ),
        h(
            "tbody",
            versions
                .slice()
                .reverse()
                .map((v) =>
                    h(
                        "tr",
                        h(
                            "th",
                            {scope: "row"},
                            versionName((v.protocol === "ssl" ? "ssl" : "") + flat(textOf(v.version), 10))
                        ),
                        h("td", versionStatus(v, true)),
                        h(
                            "td",
                            v.cipher !== undefined ? h("span.mono", net(textOf(v.cipher), {most: 80})) : null,
                            v.by ? h("span.soft", RESTS[v.by] || flat(v.by, 40)) : null,
                            v.reason ? h("span.soft", words(flat(v.reason, 40))) : null,
                            v.alert !== undefined ? h("span.soft", ` (alert ${flat(v.alert, 5)})`) : null,
                            v.encrypt_then_mac !== undefined
                                ? h("span.soft", v.encrypt_then_mac ? " encrypt-then-MAC" : " no encrypt-then-MAC")
                                : null,
                            Object.entries(v)
                                .filter(
                                    ([key]) =>
                                        ![
                                            "protocol",
                                            "version",
                                            "status",
                                            "cipher",
                                            "by",
                                            "reason",
                                            "alert",
                                            "encrypt_then_mac",
                                        ].includes(key)
                                )
                                .map(([key, value]) => [
                                    " ",
                                    h("span.soft", flat(words(key), 40) + ": "),
                                    valueOf(value),
                                ])
                        )
                    )
                )
        )
    );
}

function certificatePart(tls, facts, why) {
    if (tls.certificate === null) return h("p.soft", "The server sent none.");
    if (tls.certificate === undefined)
        return h(
            "p",
            openMark("not known"),
            h("span.soft", why.has("/tls/certificate") ? ": " + flat(words(why.get("/tls/certificate")), 60) : "")
        );
    return facts("/tls/certificate", tls.certificate);
}

function chainPart(chain) {
    return chain.length
        ? h(
              "ol.chain",
              chain.map((link) => h("li", factTable(object(link))))
          )
        : h("p.soft", "None was seen.");
}

// A row for each verdict that anything has, with what has it.
const verdictsTable = (verdicts, listOf, itemOf) =>
    h(
        "table.facts.verdicts",
        h(
            "tbody",
            verdicts
                .map((v) => [v, listOf(v)])
                .filter(([, items]) => items.length)
                .map(([v, items]) =>
                    h(
                        "tr",
                        h("th", {scope: "row"}, badge(v), ` ${count(items.length)}`),
                        h("td", h("ul.run-on", items.map(itemOf)))
                    )
                )
        )
    );

function policyFolds(policies) {
    return policies.map((policy) =>
        fold(
            h("span", brief(textOf(policy.name), 80), " ", badge(textOf(policy.verdict) || "info")),
            [
                policy.version ? brief(textOf(policy.version), 80) : null,
                policy.as_of ? [", as read on ", brief(textOf(policy.as_of), 20)] : null,
            ],
            () => {
                const unverified = new Set(texts(policy.unverified)),
                    clauses = object(policy.clauses),
                    box = [];
                for (const verdict of ["fail", "warn"])
                    if (list(policy[verdict]).length)
                        box.push(
                            h(
                                "p",
                                badge(verdict),
                                h("span.soft", " because of "),
                                texts(policy[verdict]).map((id, i) => [
                                    i ? ", " : "",
                                    h(
                                        "a.mono",
                                        {href: "#" + new URLSearchParams({v: "findings", rule: id})},
                                        brief(id, 80)
                                    ),
                                ])
                            )
                        );
                box.push(
                    verdictsTable(VERDICTS, (v) => list(clauses[v]), (text) =>
                        h("li", clause(flatOrText(text), unverified.has(text)))
                    )
                );
                const rest = Object.entries(policy).filter(
                    ([key]) =>
                        !["name", "version", "as_of", "verdict", "fail", "warn", "clauses", "unverified"].includes(key)
                );
                if (rest.length) box.push(factTable(Object.fromEntries(rest)));
                return box;
            }
        )
    );
}

const checksSay = (checks) =>
    CHECKS.map((v) => [list(object(checks)[v]).length, v])
        .filter(([n]) => n)
        .map(([n, v]) => `${count(n)} ${words(v)}`)
        .join(", ");

function checksPart(checks) {
    const why = new Map(objects(checks.reasons).map((r) => [r.rule, textOf(r.reason)]));
    return verdictsTable(CHECKS, (v) => texts(checks[v]), (id) =>
        h(
            "li",
            h("span.mono", brief(id, 80)),
            why.has(id) ? h("span.soft", " " + words(flat(why.get(id), 40))) : null
        )
    );
}

function transcriptPart(said) {
    const box = h("div.said");
    let connection = null,
        drawn = 0;
    const draw = (to) => {
        for (; drawn < Math.min(to, said.length); drawn++) {
            const turn = object(said[drawn]);
            if (turn.connection !== connection) {
                connection = turn.connection;
                box.append(h("div.cut", `Connection ${flat(connection, 10)}`));
            }
            const who = turn.from === "client" ? "client" : "server";
            box.append(
                h("span.at", `${flat(turn.at_ms, 12)} ms`),
                h(
                    "span.who" + (who === "client" ? ".client" : ""),
                    (who === "client" ? "C " : "S ") + (turn.inside_tls ? "TLS" : "clear")
                ),
                h("span.text", net(textOf(turn.text), {most: 3000, block: true}))
            );
        }
    };
    draw(300);
    if (drawn < said.length)
        box.append(
            h(
                "div.cut",
                h(
                    "button.more",
                    {
                        type: "button",
                        onclick(event) {
                            event.target.parentNode.remove();
                            draw(Infinity);
                        },
                    },
                    `all ${plural(said.length, "line")}`
                )
            )
        );
    return box;
}
