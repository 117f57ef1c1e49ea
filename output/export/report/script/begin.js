// SPDX-License-Identifier: MIT
// begin.js: the beginning: reads the data, draws the views, and listens.

function drawTabs() {
    const numbers = {endpoints: rows.length, findings: rows.reduce((sum, row) => sum + row.open, 0)};
    byId("tabs").replaceChildren(
        ...TABS.filter(([view]) => view !== "policies" || policyNames().length).map(([view, name]) =>
            h(
                "a",
                {href: "#v=" + view, "data-view": view},
                name,
                view in numbers ? h("span.n", count(numbers[view])) : null
            )
        )
    );
}

async function redraw() {
    for (const id of ["meta", "notices"]) byId(id).replaceChildren();
    closeHost();
    drawHeader();
    drawTabs();
    const t = totals();
    await pause();
    rulesNow = rulesFound();
    await pause();
    drawSummary(t);
    await pause();
    table.build();
    await pause();
    drawFindings();
    drawPolicies();
    drawRun();
    go(false);
}

const THEMES = ["auto", "light", "dark"];
function theme(name) {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    byId("theme").textContent = {auto: "◐ Auto", light: "○ Light", dark: "● Dark"}[name];
    byId("theme").setAttribute("aria-label", `Colours: ${name}. Change`);
    byId("theme").dataset.now = name;
}

function stored(value) {
    try {
        if (value) localStorage.setItem("starttls-audit-theme", value);
        return localStorage.getItem("starttls-audit-theme");
    } catch (error) {
        return null;
    }
}

function listen() {
    byId("theme").addEventListener("click", () => {
        const next = THEMES[(THEMES.indexOf(byId("theme").dataset.now) + 1) % THEMES.length];
        theme(next);
        stored(next);
    });
    byId("print").addEventListener("click", () => print());
    byId("skip").addEventListener("click", (event) => {
        event.preventDefault();
        byId("main").focus();
    });
    let timer = 0;
    byId("find").addEventListener("input", (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
            const entering = place.view !== "endpoints";
            change(
                entering
                    ? {view: "endpoints", q: event.target.value, chosen: new Map(), group: ""}
                    : {q: event.target.value},
                !entering
            );
        }, 120);
    });
    byId("find").addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "ArrowDown") {
            event.preventDefault();
            if (place.view !== "endpoints") change({view: "endpoints"});
            byId("grid").focus();
        } else if (event.key === "Escape") {
            event.target.blur();
        }
    });
    addEventListener("keydown", onKey);
    addEventListener("hashchange", () => go(true));
    addEventListener("popstate", () => {
        if (placeOf(location.hash).view === place.view) go(true);
    });
    addEventListener("scroll", () => table.draw(), {passive: true});
    addEventListener("resize", () => {
        table.draw();
    });
    addEventListener("click", (event) => {
        for (const pop of document.querySelectorAll(".pop[open]")) if (!pop.contains(event.target)) pop.open = false;
    });
    addEventListener("beforeprint", () => {
        const wanted = document.body.classList.contains("on-host")
            ? "#view-host .fold:not(.screen)"
            : "#view-findings .panel[data-rule]";
        for (const panel of document.querySelectorAll(wanted))
            if (!panel.open) {
                buildFold(panel);
                panel.dataset.shut = panel.open = true;
            }
    });
    addEventListener("afterprint", () => {
        for (const panel of document.querySelectorAll("[data-shut]")) {
            panel.open = false;
            delete panel.dataset.shut;
        }
    });
}

function onKey(event) {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        byId("find").focus();
        byId("find").select();
    } else if (event.key === "Escape") {
        const pop = document.querySelector(".pop[open]");
        if (pop) {
            pop.open = false;
            pop.querySelector("summary").focus();
        } else if (place.view === "host" && !typing) {
            location.hash = lastTable;
        }
    }
}

async function start() {
    theme(THEMES.find((name) => name === stored()) || "auto");
    byId("loading").hidden = false;
    await readAll();
    byId("loading").hidden = true;
    byId("bar").hidden = false;
    if (!runs.length) runs.push(newRun(null));
    show(runs[runs.length - 1]);
    history.scrollRestoration = "manual";
    place = placeOf(location.hash);
    await redraw();
    listen();
    arrive(null, "");
    document.documentElement.dataset.ready = "yes";
}

start();
