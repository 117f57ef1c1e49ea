// SPDX-License-Identifier: MIT
// header.js: the top of the page: which run this is, and whether it is complete.

function drawHeader() {
    const start = object(run.start),
        end = object(run.end);
    const scanner = object(start.scanner),
        ruleset = object(start.ruleset);
    add(byId("meta"), [
        run.start ? h("span", "Scan of ", h("b", moment(start.started))) : h("span", "A scan without a beginning"),
        run.end && isFinite(end.duration_ms) ? h("span", "took ", h("b", lasted(end.duration_ms))) : null,
        run.end && end.complete === true && !start.shard
            ? h("span.badge.pass", "complete")
            : h("span.badge.fail", "not complete"),
        run.start ? h("span", "scanner ", h("b", net(textOf(scanner.version) || "unknown", {most: 40}))) : null,
        ruleset.version ? h("span", "rules ", h("b", net(textOf(ruleset.version), {most: 40}))) : null,
        list(start.policies).length
            ? h(
                  "span",
                  plural(start.policies.length, "policy", "policies") + ": ",
                  h(
                      "b",
                      net(
                          objects(start.policies)
                              .map((p) => textOf(p.name))
                              .join(", "),
                          {most: 300}
                      )
                  )
              )
            : null,
        run.start ? h("span", "run ", h("b.mono", net(textOf(start.run_id), {most: 60}))) : null,
    ]);
    drawNotices(start, end);
}

const STOPPED = names({
    signal: "it was stopped by a signal",
    deadline: "its time was over",
    input_error: "its targets could not be read",
    output_error: "its records could not be written",
    error: "an error stopped it",
    shards_missing: "shards of it are missing",
});

function notice(kind, bold, text, ...more) {
    byId("notices").append(h("div.notice" + kind, {role: "note"}, h("b", bold), h("span", text), ...more));
}

function drawNotices(start, end) {
    if (!run.end)
        notice(
            ".bad",
            "Not complete.",
            "The records end without the end of the run: it was interrupted. What is not in this report was perhaps not asked yet."
        );
    else if (end.complete !== true)
        notice(
            ".bad",
            "Not complete.",
            `This run did not come to its end: ${STOPPED[end.stopped_by] || "the reason is not known"}. What is not in this report was perhaps not asked.`
        );
    if (start.shard)
        notice(
            ".bad",
            "One shard only.",
            `This is shard ${Number(start.shard.index) + 1} of ${Number(start.shard.count)}: hosts of the other shards are not here. “starttls-audit merge” puts them together.`
        );
    if (run.end && isFinite(object(end.endpoints).recorded) && end.endpoints.recorded !== rows.length)
        notice(
            ".bad",
            "Records are missing.",
            `The run wrote ${plural(end.endpoints.recorded, "endpoint")}, and ${count(rows.length)} are here.`
        );
    if (runs.length > 1) {
        const choice = h(
            "select",
            {
                "aria-label": "The run that is shown",
                onchange(event) {
                    show(runs[+event.target.value]);
                    redraw();
                },
            },
            runs.map((r, i) =>
                h(
                    "option",
                    {value: i, selected: r === run},
                    `${moment(object(r.start).started)}, ${plural(r.rows.length, "endpoint")}`
                )
            )
        );
        notice(
            ".calm",
            `${count(runs.length)} runs.`,
            run === runs[runs.length - 1]
                ? "The records hold several runs; the last one is shown."
                : "The records hold several runs; this is not the last one.",
            choice
        );
    }
    if (!rows.length) notice("", "No endpoints.", "Nothing was recorded in this run.");
}
