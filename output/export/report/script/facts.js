// SPDX-License-Identifier: MIT
// facts.js: any value of a record, and tables of members.

const LABELS = names({
    ip: "Address",
    source_ip: "Asked from",
    sni: "Server name (SNI)",
    duration_ms: "Took (ms)",
    subject_dn: "Subject",
    issuer_dn: "Issuer",
    san_dns: "DNS names",
    san_ip: "IP addresses",
    spki_sha256: "SPKI SHA-256",
    sha256: "SHA-256",
    not_before: "Valid from",
    not_after: "Valid until",
    dh_bits: "DH bits",
    ocsp_url: "OCSP URL",
    ocsp_staple: "OCSP staple",
    ccc: "CCC",
    preauth: "PREAUTH",
    issuer_url: "Issuer URL",
    starttls_accepted_inside: "STARTTLS accepted inside",
    foreign_alpn_accepted: "Foreign ALPN accepted",
    ca_file: "CA file",
    ehlo_name: "EHLO name",
    tls_timeout_ms: "TLS timeout (ms)",
    key_bits: "Key bits",
});
const label = (key) => LABELS[key] || flat(spaced(key.charAt(0).toUpperCase() + key.slice(1)), 60);
const spaced = (key) =>
    words(key).replace(/\b(tls|sha256|dn|ip|url|ms)\b/g, (word) =>
        word === "ms" ? "(ms)" : word === "sha256" ? "SHA-256" : word.toUpperCase()
    );

function valueOf(value, most = 400) {
    if (value === null)
        return h(
            "span.soft",
            {title: "It was seen that there is none, or it does not apply."},
            "none / does not apply"
        );
    if (value === true || value === false) return value ? "yes" : "no";
    if (typeof value === "number") return String(value);
    if (isText(value)) return value === "" ? h("span.soft", "empty") : net(value, {most, block: value.includes("\n")});
    if (Array.isArray(value)) {
        if (!value.length) return h("span.soft", "none");
        if (value.every((item) => item === null || typeof item !== "object"))
            return h(
                "span.tags",
                value.slice(0, 400).map((item) => h("span.tag", net(String(item), {most: 120}))),
                value.length > 400 ? `and ${count(value.length - 400)} more` : null
            );
        return h(
            "ul",
            value.slice(0, 400).map((item) => h("li", valueOf(item)))
        );
    }
    const entries = Object.entries(value);
    return entries.length
        ? h(
              "span",
              entries.map(([key, item], i) => [
                  i ? " · " : "",
                  h("span.soft", flat(words(key), 60) + ": "),
                  valueOf(item),
              ])
          )
        : h("span.soft", "none");
}

/** Every member of an object, and those that are not known, with the reason. */
function factTable(from, {path = "", why = new Map(), lossy = new Set(), without = []} = {}) {
    const body = h("tbody"),
        line = (name, at, value) =>
            body.append(
                h(
                    "tr",
                    {title: flat(at, 200) || null},
                    h("th", {scope: "row"}, name),
                    h(
                        "td",
                        value,
                        lossy.has(at)
                            ? [
                                  " ",
                                  h(
                                      "span.tag.ask",
                                      {title: "It was not clean text: this is what was left of it."},
                                      "cleaned"
                                  ),
                              ]
                            : null
                    )
                )
            );
    const walk = (object_, at, prefix) => {
        for (const [key, value] of Object.entries(object_)) {
            if ((at === path && without.includes(key)) || value === undefined) continue;
            const name = prefix ? `${prefix} › ${flat(spaced(key), 60)}` : label(key),
                here = `${at}/${key}`;
            if (value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length)
                walk(value, here, name);
            else line(name, here, valueOf(value));
        }
    };
    walk(object(from), path, "");
    if (path)
        for (const [at, reason] of why)
            if (at.startsWith(path + "/") && !without.includes(at.slice(path.length + 1).split("/")[0]))
                line(label(at.slice(path.length + 1).replace(/\//g, " › ")), at, [
                    openMark("not known"),
                    h("span.why", ": " + words(flat(reason, 60))),
                ]);
    return body.childNodes.length ? h("table.facts", body) : h("p.soft", "Nothing is known.");
}
