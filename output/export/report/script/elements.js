// SPDX-License-Identifier: MIT
// elements.js: elements, and text of records in them: text nodes, never markup.

const byId = (id) => document.getElementById(id);

/** An element: h("a.badge", {href: "#"}, "text", child, …). Children that are null are left out. */
function h(name, ...children) {
    const [tag, ...classes] = name.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    if (children[0] && children[0].constructor === Object) {
        const attributes = children.shift();
        for (const key of Object.keys(attributes)) {
            const value = attributes[key];
            if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
            else if (value !== null && value !== undefined && value !== false)
                element.setAttribute(key, value === true ? "" : value);
        }
    }
    add(element, children);
    return element;
}

function empty(element) {
    element.replaceChildren();
    return element;
}

function add(element, children) {
    for (const child of children)
        if (Array.isArray(child)) add(element, child);
        else if (child !== null && child !== undefined && child !== false) element.append(child);
    return element;
}

const ODD = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]|\p{M}{4,}/gu;
const ODD_ONCE = new RegExp(ODD.source, "u");
const ODD_NAMES = {
    0x09: "tab",
    0x0a: "line feed",
    0x0d: "carriage return",
    0x1b: "escape",
    0xad: "soft hyphen",
    0x200b: "zero width space",
    0x200c: "zero width non-joiner",
    0x200d: "zero width joiner",
    0x200e: "left-to-right mark",
    0x200f: "right-to-left mark",
    0x202a: "left-to-right embedding",
    0x202b: "right-to-left embedding",
    0x202c: "pop directional formatting",
    0x202d: "left-to-right override",
    0x202e: "right-to-left override",
    0x2066: "left-to-right isolate",
    0x2067: "right-to-left isolate",
    0x2068: "first strong isolate",
    0x2069: "pop directional isolate",
    0xfeff: "byte order mark",
};

const codeOf = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** Puts text of records into an element: what cannot be seen is shown by its number. */
function spell(element, text, block) {
    let from = 0;
    if (ODD_ONCE.test(text))
        for (const match of text.matchAll(ODD)) {
            if (block && (match[0] === "\n" || match[0] === "\t")) continue;
            element.append(text.slice(from, match.index));
            for (const character of [...match[0]].slice(0, 8))
                element.append(h("span.odd", {title: ODD_NAMES[character.codePointAt(0)]}, codeOf(character)));
            from = match.index + match[0].length;
        }
    element.append(text.slice(from));
}

/** Text of records as an element; what is long is cut, and can be had whole. */
function net(text, {most = 600, block = false, tag = "span"} = {}) {
    const whole = typeof text === "object" ? JSON.stringify(text) : String(text);
    const element = h(tag + ".net" + (block ? ".block" : ""));
    if (whole.length <= most * 1.2) {
        spell(element, whole, block);
        return element;
    }
    let end = most;
    if (/[\ud800-\udbff]/.test(whole[end - 1])) end--;
    spell(element, whole.slice(0, end), block);
    element.append(
        "… ",
        h(
            "button.more",
            {
                type: "button",
                onclick(event) {
                    event.stopPropagation();
                    element.replaceChildren();
                    spell(element, whole, block);
                    element.tabIndex = -1;
                    element.focus();
                },
            },
            `all ${count(whole.length)} characters`
        )
    );
    return element;
}

/** The same inside of links and buttons: what is cut there can be read elsewhere. */
function brief(text, most) {
    const element = h("span.net"),
        whole = String(text);
    if (whole.length > most) element.title = flat(whole, 400);
    spell(element, whole.length > most ? whole.slice(0, most) + "…" : whole);
    return element;
}

/** The same for attributes and titles. */
const flat = (value, most = 200) => {
    const short = (value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value)).slice(
        0,
        most
    );
    return short.replace(ODD, (odd) => [...odd].map((c) => `<${codeOf(c)}>`).join(""));
};

/** A table of our own that is asked with words of records: nothing is inherited. */
const names = (from) => Object.assign(Object.create(null), from);

const flatOrText = (value) => (isText(value) ? value : flat(value));

const number = new Intl.NumberFormat("en");
const count = (n) => number.format(n);
const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;
const share = (part, whole) =>
    whole
        ? (part === whole ? "100" : part && part / whole < 0.01 ? "<1" : Math.floor((100 * part) / whole)) + " %"
        : "";
const words = (name) => String(name).replace(/_/g, " ");
const isText = (value) => typeof value === "string";
const list = (value) => (Array.isArray(value) ? value : []);
const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const objects = (value) =>
    Array.isArray(value) && !value.every((item) => item && typeof item === "object" && !Array.isArray(item))
        ? value.map(object)
        : list(value);
const texts = (value) => list(value).filter(isText);
const textOf = (value) => (isText(value) ? value : "");

const DAY = 86400000;
const timeOf = (text) => (isText(text) ? Date.parse(text) : NaN);
const MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
function day(text) {
    const time = timeOf(text),
        date = new Date(time);
    return isNaN(time)
        ? flat(textOf(text) || "unknown", 40)
        : `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}
const moment = (text) =>
    isNaN(timeOf(text)) ? day(text) : `${day(text)}, ${new Date(timeOf(text)).toISOString().slice(11, 16)} UTC`;
function lasted(ms) {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    return s < 60 ? `${s.toFixed(1)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}
