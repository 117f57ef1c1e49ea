// SPDX-License-Identifier: MIT
// place.js: where we are: the hash of the address, so that a link can be sent.

let place = null,
    lastTable = "#v=endpoints";

function placeOf(hash) {
    const parameters = new URLSearchParams(hash.replace(/^#/, ""));
    const chosen = new Map();
    for (const filter of allFilters()) {
        const wanted = parameters.getAll(filter.key);
        if (wanted.length) chosen.set(filter.key, new Set(wanted));
    }
    const view = ["summary", "endpoints", "findings", "policies", "run"].find((v) => v === parameters.get("v"));
    return {
        host: parameters.get("h"),
        endpoint: parameters.get("e"),
        view: parameters.has("h") ? "host" : view || "summary",
        q: parameters.get("q") || "",
        sort: parameters.get("sort") || "worst",
        group: parameters.get("group") || "",
        chosen,
        focus: parameters.get("on") || "",
    };
}

function hashOf(to) {
    const parameters = new URLSearchParams();
    parameters.set("v", to.view);
    if (to.q) parameters.set("q", to.q);
    for (const [key, wanted] of to.chosen || []) for (const value of wanted) parameters.append(key, value);
    if (to.sort && to.sort !== "worst") parameters.set("sort", to.sort);
    if (to.group) parameters.set("group", to.group);
    return "#" + parameters;
}

/** A link to the table with one filter set. */
const only = (...pairs) => {
    const parameters = new URLSearchParams({v: "endpoints"});
    for (let i = 0; i < pairs.length; i += 2) parameters.append(pairs[i], pairs[i + 1]);
    return "#" + parameters;
};

function change(changes, replace) {
    const hash = hashOf({...place, ...changes});
    if (hash !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", hash);
    go(false);
}

const TABS = [
    ["summary", "Summary"],
    ["endpoints", "Endpoints"],
    ["findings", "Findings"],
    ["policies", "Policies"],
    ["run", "This run"],
];
const title = byId("title").textContent;
spell(empty(byId("title")), title);

function go(moveFocus) {
    const before = place;
    place = placeOf(location.hash);
    if (place.view === "endpoints") lastTable = location.hash || "#v=endpoints";
    document.body.classList.toggle("on-host", place.view === "host");
    byId("lead").classList.toggle("slim", place.view !== "summary");
    for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== "view-" + place.view;
    for (const tab of byId("tabs").children)
        if (tab.dataset.view === (place.view === "host" ? "endpoints" : place.view))
            tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
    const find = byId("find");
    if (find.value !== place.q && document.activeElement !== find) find.value = place.q;
    let heading = TABS.find(([view]) => view === place.view);
    heading = heading ? heading[1] : "Host";
    if (place.view === "host") {
        heading = openHost(place.host, place.endpoint);
    } else {
        closeHost();
        if (place.view === "endpoints") table.update();
        else if (place.view === "findings") openRule(place.chosen.get("rule"));
        else if (place.view === "policies") openPolicy(place.focus);
    }
    document.title = place.view === "summary" ? flat(title) : `${flat(heading)} – ${flat(title)}`;
    if (moveFocus && (!before || before.view !== place.view || before.host !== place.host)) arrive(before, heading);
}

/** After a change of view: its top, its heading, and a word for those who listen. */
function arrive(before, heading) {
    if (before && before.view === "host" && place.view === "endpoints" && table.returnTo(before)) {
        say(`Endpoints, ${plural(table.found, "endpoint")}`);
        return;
    }
    const head = document.querySelector(`#view-${place.view} h2`);
    if (!(place.view === "host" && place.endpoint && scrollToEndpoint(place.endpoint))) scrollTo(0, 0);
    if (head && before) {
        head.tabIndex = -1;
        head.focus({preventScroll: true});
        say(flat(heading));
    }
}

function say(text) {
    byId("live").textContent = text;
}
