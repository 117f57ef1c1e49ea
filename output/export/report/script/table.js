// SPDX-License-Identifier: MIT
// table.js: the table of endpoints, of which only the rows that can be seen are in the page.

const rank = (words_, word_) => {
    const i = words_.indexOf(word_);
    return i < 0 ? words_.length : i;
};
const UPGRADES = ["none", "refused", "fails", "not known", "hidden", "works", "implicit"],
    LOGINS = ["not needed", "accepted", "offered", "not known", "not announced", "disabled", "refused"];
const lowest = (row) => (row.versions ? 31 - Math.clz32(row.versions & -row.versions) : row.unsure ? 6 : 7);
const worstPolicy = (row) => Math.min(...row.policies.map((p) => rank(VERDICTS, p.verdict)), 9);
const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

const columns = [
    {
        key: "worst",
        name: "Worst",
        order: (a, b) => a.worst - b.worst || b.counts[a.worst] - a.counts[a.worst] || b.open - a.open,
        cell: (row) => severityBadge(row.worst),
    },
    {
        key: "host",
        name: "Host",
        order: () => 0,
        cell: (row) => [
            h("a.host", {href: hostLink(row), tabindex: -1}, brief(row.host, 100)),
            row.ip && row.ip !== row.host ? h("span.sub", " ", brief(row.ip, 60)) : null,
            labelKeys.length && isText(row.labels[labelKeys[0]])
                ? h("span.sub", " · ", brief(row.labels[labelKeys[0]], 40))
                : null,
        ],
    },
    {
        key: "service",
        name: "Service",
        order: (a, b) => byText(a.protocol, b.protocol) || a.port - b.port,
        cell: (row) => [brief(row.protocol, 20), h("span.sub", ` ${row.port}${row.mode === "implicit" ? " TLS" : ""}`)],
    },
    {
        key: "status",
        name: "Status",
        order: (a, b) => byText(a.status, b.status),
        cell: (row) =>
            h(
                "span." +
                    (row.status === "ok"
                        ? "t-plain"
                        : ["timeout", "unreachable", "dns_error", "error"].includes(row.status)
                          ? "t-open"
                          : "t-soft"),
                flat(words(row.status), 40)
            ),
    },
    {
        key: "starttls",
        name: "STARTTLS",
        order: (a, b) => rank(UPGRADES, a.starttls) - rank(UPGRADES, b.starttls),
        cell: (row) => word(row.starttls, WORD_CLASS),
    },
    {
        key: "versions",
        name: "TLS versions",
        order: (a, b) => lowest(a) - lowest(b) || b.versions - a.versions,
        cell: versionTags,
    },
    {
        key: "login",
        name: "Login in clear",
        order: (a, b) => rank(LOGINS, a.login) - rank(LOGINS, b.login),
        cell: (row) => word(row.login, LOGIN_CLASS),
    },
    {key: "cert", name: "Certificate", order: (a, b) => endOf(a) - endOf(b), cell: daysLeft},
    {key: "policy", name: "Policy", order: (a, b) => worstPolicy(a) - worstPolicy(b), cell: policyWord},
    {
        key: "findings",
        name: "Findings",
        order: (a, b) => b.open - a.open,
        cell: (row) => [count(row.open), row.waived ? h("span.sub", ` +${count(row.waived)} waived`) : null],
    },
];
const endOf = (row) => (row.certificate && !isNaN(row.certificate.after) ? row.certificate.after : 8.64e15);

const table = {
    items: [],
    found: 0,
    active: 0,
    drawn: new Map(),
    height: 42,
    key: null,

    build() {
        const view = byId("view-endpoints");
        this.drawn.clear();
        this.key = null;
        this.head = h(
            "tr",
            {role: "row", "aria-rowindex": 1},
            columns.map((column) =>
                h(
                    "th.h-" + column.key,
                    {scope: "col", role: "columnheader", "aria-sort": "none"},
                    h(
                        "button",
                        {
                            type: "button",
                            onclick: () => change({sort: place.sort === column.key ? "-" + column.key : column.key}),
                        },
                        column.name
                    )
                )
            )
        );
        this.top = h("tr.pad", {"aria-hidden": "true"}, h("td", {colspan: columns.length}));
        this.bottom = h("tr.pad", {"aria-hidden": "true"}, h("td", {colspan: columns.length}));
        this.body = h("tbody", {role: "rowgroup"}, this.top, this.bottom);
        this.grid = h(
            "table.grid",
            {
                role: "grid",
                tabindex: 0,
                id: "grid",
                "aria-labelledby": "h-endpoints",
                "aria-describedby": "keys",
                "aria-colcount": columns.length,
                "aria-readonly": "true",
                onkeydown: (event) => this.onKey(event),
                onclick: (event) => this.onClick(event),
            },
            h(
                "colgroup",
                columns.map((column) => h("col.c-" + column.key))
            ),
            h("thead", {role: "rowgroup"}, this.head),
            this.body
        );
        this.nothing = h(
            "p.nothing",
            {hidden: true},
            rows.length ? "No endpoint is like that." : "No endpoint was recorded in this run."
        );
        this.filterBar = h("div.filters", {role: "group", "aria-label": "Filters"});
        this.chips = h("div.chips");
        view.replaceChildren(
            h("div.head", h("h2", {id: "h-endpoints"}, "Endpoints")),
            this.filterBar,
            this.chips,
            h("div.grid-box", this.grid, this.nothing),
            h(
                "p.keys",
                {id: "keys"},
                "Keys: ",
                h("kbd", "/"),
                " search, ",
                h("kbd", "↑"),
                " ",
                h("kbd", "↓"),
                " rows, ",
                h("kbd", "Enter"),
                " opens the host, ",
                h("kbd", "Esc"),
                " goes back."
            )
        );
        this.drawFilters();
    },

    drawFilters() {
        const pops = [];
        for (const filter of [...filters, ...labelFilters()]) {
            const counts = tally(rows, (row) => new Set(filter.of(row)));
            const order = filter.order
                ? filter.order.filter((v) => counts.has(v))
                : [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || byText(a, b));
            if (
                !order.length ||
                (order.length === 1 &&
                    !["severity", "rule", "exposed", "expected"].includes(filter.key) &&
                    counts.get(order[0]) === rows.length)
            )
                continue;
            pops.push(this.pop(filter, order, counts));
        }
        this.pops = pops;
        const groups = [
            ["", "nothing"],
            ["host", "host"],
            ["protocol", "protocol"],
            ...labelKeys.map((key) => ["label." + key, flat(key, 30)]),
        ];
        this.grouping = h(
            "select",
            {onchange: (event) => change({group: event.target.value})},
            groups.map(([value, name]) => h("option", {value}, name))
        );
        const toggle = h(
            "button.ghost.narrow-only",
            {
                type: "button",
                "aria-expanded": "false",
                onclick: () => toggle.setAttribute("aria-expanded", this.filterBar.classList.toggle("shown")),
            },
            "Filters and groups"
        );
        this.filterBar.replaceChildren(
            toggle,
            ...pops.map((pop) => pop.element),
            h("label.groupby", "Group by ", this.grouping)
        );
    },

    pop(filter, order, counts) {
        const box = h("div"),
            element = h("details.pop", h("summary", brief(filter.name, 30)), box);
        const pop = {filter, element, boxes: new Map()};
        const fill = (part) => {
            const shown = part
                ? order.filter((value) =>
                      (sayOf(filter, value) + (filter.note ? filter.note(value) : "")).toLowerCase().includes(part)
                  )
                : order;
            for (const label of box.querySelectorAll("label, p")) label.remove();
            pop.boxes.clear();
            for (const value of shown.slice(0, 200)) {
                const input = h("input", {
                    type: "checkbox",
                    onchange: () => this.choose(filter.key, value, input.checked),
                });
                input.checked = place.chosen.has(filter.key) && place.chosen.get(filter.key).has(value);
                pop.boxes.set(value, input);
                box.append(
                    h(
                        "label",
                        input,
                        filter.key === "severity" ? badge(value) : brief(sayOf(filter, value), 80),
                        h("span.n", count(counts.get(value)))
                    )
                );
            }
            if (shown.length > 200)
                box.append(h("p.small.soft", `and ${count(shown.length - 200)} more: search for them`));
        };
        element.addEventListener("toggle", () => {
            if (!element.open || box.childNodes.length) return;
            if (order.length > 12)
                box.append(
                    h("input.field", {
                        type: "search",
                        placeholder: "Find",
                        "aria-label": `Find in ${flat(filter.name, 30)}`,
                        oninput: (event) => fill(event.target.value.toLowerCase()),
                    })
                );
            fill("");
        });
        return pop;
    },

    choose(key, value, on) {
        const chosen = new Map(place.chosen),
            wanted = new Set(chosen.get(key));
        if (on) wanted.add(value);
        else wanted.delete(value);
        if (wanted.size) chosen.set(key, wanted);
        else chosen.delete(key);
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
        const wanted = allFilters()
            .filter((filter) => place.chosen.has(filter.key))
            .map((filter) => [filter, [...place.chosen.get(filter.key)]]);
        const fits = (row) =>
            terms.every(
                (term) => row.search.includes(term) || (row.certificate && row.certificate.search.includes(term))
            ) &&
            wanted.every(([filter, any]) =>
                filter.has
                    ? any.some((value) => filter.has(row, value))
                    : filter.of(row).some((value) => any.includes(value))
            );
        const down = place.sort.startsWith("-"),
            column = columns.find((c) => c.key === place.sort.replace(/^-/, "")) || columns[0];
        const result = rows.filter(fits),
            turn = down ? -1 : 1;
        result.sort(
            (a, b) => turn * column.order(a, b) || (column.key === "host" ? turn : 1) * byText(a.sortHost, b.sortHost)
        );
        this.column = column;
        this.down = down;
        this.found = result.length;
        this.items = place.group ? this.grouped(result) : result;
        this.active = 0;
        if (this.items[0] && this.items[0].group !== undefined) this.active = 1;
    },

    grouped(result) {
        const label_ = place.group.startsWith("label.") ? place.group.slice(6) : null;
        const of = (row) =>
            label_ !== null ? textOf(row.labels[label_]) : place.group === "protocol" ? row.protocol : hostId(row);
        const groups = new Map();
        for (const row of result) {
            const value = of(row);
            if (!groups.has(value)) groups.set(value, []);
            groups.get(value).push(row);
        }
        return [...groups].flatMap(([group, members_]) => [{group, rows: members_}, ...members_]);
    },

    drawState() {
        [...this.head.children].forEach((th, i) =>
            th.setAttribute("aria-sort", columns[i] === this.column ? (this.down ? "descending" : "ascending") : "none")
        );
        this.grid.setAttribute("aria-rowcount", this.items.length + 1);
        this.nothing.hidden = this.found > 0;
        this.grouping.value = place.group;
        for (const pop of this.pops) {
            const wanted = place.chosen.get(pop.filter.key);
            pop.element.classList.toggle("on", Boolean(wanted));
            for (const [value, input] of pop.boxes) input.checked = Boolean(wanted && wanted.has(value));
        }
        const chips = [
            h(
                "span.count",
                {id: "count"},
                this.found === rows.length
                    ? plural(rows.length, "endpoint")
                    : `${count(this.found)} of ${plural(rows.length, "endpoint")}`
            ),
        ];
        if (place.q)
            chips.push(
                this.chip("Search", place.q, () => {
                    byId("find").value = "";
                    change({q: ""});
                })
            );
        for (const filter of allFilters())
            for (const value of place.chosen.get(filter.key) || [])
                chips.push(this.chip(filter.name, sayOf(filter, value), () => this.choose(filter.key, value, false)));
        if (chips.length > 2)
            chips.push(
                h(
                    "button.chip.all",
                    {
                        type: "button",
                        onclick: () => {
                            byId("find").value = "";
                            change({q: "", chosen: new Map()});
                        },
                    },
                    "Clear all"
                )
            );
        this.chips.replaceChildren(...chips);
    },

    chip: (name, value, remove) =>
        h(
            "button.chip",
            {type: "button", onclick: remove, "aria-label": `Remove: ${flat(name, 40)}: ${flat(value, 80)}`},
            brief(`${name}: ${value}`, 90),
            h("span", {"aria-hidden": "true"}, "×")
        ),

    forget() {
        for (const element of this.drawn.values()) element.remove();
        this.drawn.clear();
    },

    /** Puts the rows that can be seen into the page, and takes the others out. */
    draw() {
        if (place.view !== "endpoints") return;
        const box = this.grid.getBoundingClientRect(),
            headHeight = this.head.parentNode.offsetHeight;
        this.height = matchMedia("(max-width: 860px)").matches ? 92 : 42;
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
            return h(
                "tr.group",
                {role: "row", "aria-rowindex": i + 2},
                h(
                    "td",
                    {role: "gridcell", colspan: columns.length, "aria-colspan": columns.length},
                    brief(some(item.group).replace("|", " "), 100),
                    h(
                        "span.n",
                        plural(item.rows.length, "endpoint"),
                        open.some((n) => n)
                            ? " · " +
                                  SEVERITIES.filter((_, s) => open[s])
                                      .map((s) => `${count(open[SEVERITIES.indexOf(s)])} ${s}`)
                                      .join(", ")
                            : ""
                    )
                )
            );
        }
        return h(
            "tr.row",
            {role: "row", id: "row-" + i, "data-i": i, "aria-rowindex": i + 2},
            columns.map((column) => h("td.h-" + column.key, {role: "gridcell"}, column.cell(item)))
        );
    },

    mark() {
        for (const [i, element] of this.drawn)
            if (this.items[i].group === undefined) {
                element.classList.toggle("active", i === this.active);
                element.setAttribute("aria-selected", i === this.active);
            }
        if (this.drawn.has(this.active)) this.grid.setAttribute("aria-activedescendant", "row-" + this.active);
        else this.grid.removeAttribute("aria-activedescendant");
    },

    move(to, step) {
        to = Math.max(0, Math.min(this.items.length - 1, to));
        while (this.items[to] && this.items[to].group !== undefined && to + step >= 0 && to + step < this.items.length)
            to += step;
        if (!this.items[to] || this.items[to].group !== undefined) return;
        this.active = to;
        const y = this.grid.getBoundingClientRect().top + this.head.parentNode.offsetHeight + to * this.height,
            above = 110,
            below = innerHeight - this.height - 12;
        if (y < above) scrollBy(0, y - above);
        else if (y > below) scrollBy(0, y - below);
        this.draw();
    },

    onKey(event) {
        if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
        const page = Math.max(1, Math.floor(innerHeight / this.height) - 4);
        const moves = {
            ArrowDown: [this.active + 1, 1],
            ArrowUp: [this.active - 1, -1],
            PageDown: [this.active + page, 1],
            PageUp: [this.active - page, -1],
            Home: [0, 1],
            End: [this.items.length - 1, -1],
        };
        if (moves[event.key]) this.move(...moves[event.key]);
        else if (event.key === "Enter" && this.items[this.active]) this.open(this.items[this.active]);
        else return;
        event.preventDefault();
    },

    onClick(event) {
        const element = event.target.closest("tr.row");
        if (!element) return;
        this.active = +element.dataset.i;
        this.mark();
        if (!event.target.closest("a, button") && !String(getSelection())) this.open(this.items[this.active]);
    },

    open(row) {
        if (row.group === undefined) location.hash = hostLink(row);
    },

    /** Back from a host's page: to the row it was opened from. */
    returnTo(before) {
        const i = this.items.findIndex((item) => item.key === before.endpoint && hostId(item) === before.host);
        if (i < 0) return false;
        this.active = i;
        const y = this.grid.getBoundingClientRect().top + scrollY + i * this.height;
        scrollTo(0, Math.max(0, y - innerHeight / 2));
        this.draw();
        this.grid.focus({preventScroll: true});
        return true;
    },
};
