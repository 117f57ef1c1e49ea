// SPDX-License-Identifier: MIT
// run.js: the view of the run: scope, options, beginning and end.

function drawRun() {
    const start = object(run.start),
        scope = object(start.scope),
        view = byId("view-run");
    const rest = (from, ...without) =>
        Object.fromEntries(Object.entries(from).filter(([key]) => !without.includes(key)));
    view.replaceChildren(
        h(
            "div.head",
            h("h2", {id: "h-run"}, "This run"),
            h("p", "What was to be scanned, by what and how, and what the run says of itself.")
        ),
        h(
            "div.cards",
            h(
                "div.stacked.w6",
                card(
                    "w12",
                    "Scope",
                    null,
                    factTable(rest(scope, "targets")),
                    list(scope.targets).length
                        ? h(
                              "details.fold",
                              h(
                                  "summary",
                                  "Targets",
                                  h(
                                      "span.n",
                                      count(list(scope.targets).length) +
                                          (scope.targets_total > scope.targets.length
                                              ? ` of ${count(scope.targets_total)}`
                                              : "")
                                  )
                              ),
                              h(
                                  "div",
                                  h(
                                      "pre.raw",
                                      {tabindex: 0},
                                      net(texts(scope.targets).join("\n"), {most: 20000, block: true})
                                  )
                              )
                          )
                        : null
                ),
                card(
                    "w12",
                    "Began",
                    null,
                    run.start
                        ? factTable(rest(start, "scope", "options", "policies", "type"))
                        : h("p", "The records have no beginning of a run.")
                ),
                card(
                    "w12",
                    "Ended",
                    null,
                    run.end
                        ? factTable(rest(run.end, "waivers", "type"))
                        : h("p", "It did not: the records end without it.")
                )
            ),
            h(
                "div.stacked.w6",
                card(
                    "w12",
                    "Options",
                    "All that have a say in the result, defaults included.",
                    factTable(object(start.options))
                )
            ),
            list(start.policies).length
                ? card(
                      "w12",
                      "Policies",
                      null,
                      h(
                          "div.scroll",
                          h(
                              "table.data",
                              h(
                                  "thead",
                                  h(
                                      "tr",
                                      ["Name", "Version", "As of", "SHA-256"].map((n) => h("th", {scope: "col"}, n))
                                  )
                              ),
                              h(
                                  "tbody",
                                  objects(start.policies).map((p) =>
                                      h(
                                          "tr",
                                          h("th", {scope: "row"}, net(textOf(p.name), {most: 80})),
                                          h("td", net(textOf(p.version), {most: 80})),
                                          h("td", net(textOf(p.as_of), {most: 20})),
                                          h("td.mono", net(textOf(p.sha256), {most: 80}))
                                      )
                                  )
                              )
                          )
                      )
                  )
                : null,
            run.notAsked.length
                ? card(
                      "w12.long",
                      "Not asked",
                      "Endpoints that are known from earlier runs, and that the targets of this run left out.",
                      h(
                          "table.data",
                          h(
                              "thead",
                              h(
                                  "tr",
                                  ["Endpoint", "Address", "Reason"].map((n) => h("th", {scope: "col"}, n))
                              )
                          ),
                          h(
                              "tbody",
                              run.notAsked
                                  .slice(0, 500)
                                  .map((r) =>
                                      h(
                                          "tr",
                                          h("th", {scope: "row"}, net(textOf(object(r.endpoint).key), {most: 100})),
                                          h("td", net(textOf(object(r.endpoint).ip), {most: 60})),
                                          h("td", words(flat(textOf(r.reason), 40)))
                                      )
                                  )
                          )
                      )
                  )
                : null
        )
    );
}
