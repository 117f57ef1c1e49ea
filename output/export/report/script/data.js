// SPDX-License-Identifier: MIT
// data.js: the records, as intern.h writes them: lines of JSON, of which each is read when it is needed.

const values = [],
    read = [],
    shapes = [];
const runs = [];

function expand(value) {
    if (isText(value)) return value[0] !== "~" ? value : value[1] === "~" ? value.slice(1) : valueAt(+value.slice(1));
    if (!Array.isArray(value)) return value;
    const kind = value[0];
    if (kind === 0) return value.slice(1).map(expand);
    const result = {};
    if (kind > 0) shapes[kind - 1].forEach((name, i) => set(result, name, expand(value[i + 1])));
    else for (let i = 1; i < value.length; i += 2) set(result, value[i], expand(value[i + 1]));
    return result;
}

function set(target, name, value) {
    if (name === "__proto__") Object.defineProperty(target, name, {value, enumerable: true});
    else target[name] = value;
}

function valueAt(n) {
    if (read[n] === undefined) read[n] = expand(JSON.parse(values[n]));
    return read[n];
}

/** Some members of a record; the others stay unread. */
function members(raw, ...names) {
    const result = {};
    const shape = raw[0] > 0 ? shapes[raw[0] - 1] : null;
    for (const name of names) {
        const at = shape ? shape.indexOf(name) + 1 : raw.indexOf(name, 1) + 1;
        if (at > 0) result[name] = expand(raw[at]);
    }
    return result;
}

const RECORD = '{"record":',
    SAID = '{"transcript":',
    SHAPE = '{"shape":';
const lineValue = (line, key) => JSON.parse(line.slice(key.length, -1));

/** The whole record of a row. */
function recordOf(row) {
    const record = expand(lineValue(row.line, RECORD));
    if (row.said) record.transcript = expand(lineValue(row.said, SAID));
    return record;
}

/** since: the time that it is judged by. */
const newRun = (start) => ({start, end: null, since: timeOf(object(start).started), rows: [], notAsked: []});

function runOf() {
    if (!runs.length) runs.push(newRun(null));
    return runs[runs.length - 1];
}

function takeLine(line) {
    if (line.startsWith(RECORD)) {
        takeRecord(line, lineValue(line, RECORD));
    } else if (line.startsWith(SAID)) {
        const rows = runOf().rows;
        if (rows.length) rows[rows.length - 1].said = line;
    } else if (line.startsWith(SHAPE)) {
        shapes.push(lineValue(line, SHAPE));
    } else {
        values.push(line);
    }
}

function takeRecord(line, raw) {
    const type = members(raw, "type").type;
    if (type === "run_start") runs.push(newRun(expand(raw)));
    else if (type === "run_end") runOf().end = expand(raw);
    else if (type === "not_asked") runOf().notAsked.push(expand(raw));
    else if (type === "endpoint") runOf().rows.push(rowOf(raw, line, runOf()));
}

const SLICE = 14; // ms of work before the browser may do something else
const SMALL = 3e6; // characters of records that are worth no pause

// A report that is not large is all there when it counts as loaded: that is when pictures are taken.
let large = false;

const pause = () =>
    large &&
    new Promise((resolve) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = resolve;
        channel.port2.postMessage(0);
    });

/** Reads all blocks of data, a slice at a time. */
async function readAll() {
    const blocks = [...document.querySelectorAll("script.data")];
    let since = performance.now();
    large = blocks.reduce((sum, block) => sum + block.textContent.length, 0) > SMALL;
    for (const block of blocks) {
        const lines = block.textContent.split("\n");
        block.remove();
        for (let i = 1; i < lines.length - 1; i++) {
            takeLine(lines[i].slice(0, -1));
            if ((i & 15) === 0 && performance.now() - since > SLICE) {
                await pause();
                since = performance.now();
            }
        }
    }
}
