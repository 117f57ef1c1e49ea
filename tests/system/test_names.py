# SPDX-License-Identifier: MIT
"""Names as targets: what they resolve to, what is left alone, and what is said to the servers."""

import os
import unittest

import facts
import scan
from case import main
from facts import Unknown, but, difference, rows, sound
from nameserver import AAAA, SERVFAIL, SILENT, A, NameServer
from played import Farm


class NamesCase:
    """mail.demo.test stands in the certificates of the played servers."""

    def setUp(self):
        self.farm = Farm()
        self.addCleanup(self.farm.close)

    def scan(self, names, *arguments, **options):
        """A scan with this name server; the Run, and what the server was asked."""
        server = NameServer(self.farm.address(), names)
        self.addCleanup(server.close)
        run = scan.run("--resolver", server.at, "--ca-file", self.farm.ca_file, *arguments,
                       **options)
        return run, server.questions

    def truth(self, server, name, **changes):
        return but(sound(self.farm, server), changes)

    def one(self, run):
        self.assertEqual(len(run.records), 1, run.records)
        return run.records[0]


class Addresses(NamesCase, unittest.TestCase):
    def test_ipv4(self):
        server = self.farm.add("imap")
        self.farm.start()
        run, asked = self.scan({"mail.demo.test": [server.address]}, "mail.demo.test:10143/imap")
        record = self.one(run)
        endpoint = record["endpoint"]
        self.assertEqual((endpoint["key"], endpoint["host"], endpoint["ip"], endpoint["sni"]),
                         ("imap://mail.demo.test:10143", "mail.demo.test", server.address,
                          "mail.demo.test"))
        self.assertEqual([], difference(facts.of(record), sound(self.farm, server)))
        self.assertEqual(sorted(asked), [("mail.demo.test", A), ("mail.demo.test", AAAA)])
        self.assertEqual(run.start["scope"]["hosts"], 1)

    def test_ipv6(self):
        port = 12000 + int(self.farm.net.rsplit(".", 1)[1])
        self.farm.add("imap", address="::1", port=port)
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": ["::1"]}, f"mail.demo.test:{port}/imap")
        record = self.one(run)
        self.assertEqual((record["endpoint"]["ip"], record["status"]), ("::1", "ok"))
        self.assertEqual(record["endpoint"]["key"], f"imap://mail.demo.test:{port}")
        self.assertEqual(record["tls"]["verify"]["name_match"], True)

    def test_both(self):
        port = 12000 + int(self.farm.net.rsplit(".", 1)[1])
        server = self.farm.add("imap", port=port)
        self.farm.add("imap", address="::1", port=port)
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": [server.address, "::1"]},
                           f"mail.demo.test:{port}/imap")
        self.assertEqual({(r["endpoint"]["ip"], r["status"]) for r in run.records},
                         {(server.address, "ok"), ("::1", "ok")})
        self.assertEqual(run.end["hosts"], {"scanned": 2, "answered": 2})

    def test_several(self):
        servers = [self.farm.add("imap") for _ in range(5)]
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": [server.address for server in servers]},
                           "mail.demo.test:10143/imap")
        self.assertEqual(set(run.endpoints), {server.at() for server in servers})
        self.assertEqual({record["endpoint"]["key"] for record in run.records},
                         {"imap://mail.demo.test:10143"})

    def test_the_same_address_twice_in_an_answer(self):
        server = self.farm.add("imap")
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": [server.address] * 3}, "mail.demo.test:10143/imap")
        self.one(run)

    def test_loopback_by_another_name(self):
        """Nothing listens at 127.0.0.1 but this server: it is not to be connected to."""
        here = self.farm.add("imap", address="127.0.0.1",
                             port=12000 + int(self.farm.net.rsplit(".", 1)[1]))
        self.farm.start()
        names = {"a.demo.test": ["0.0.0.0"], "b.demo.test": ["::ffff:0.0.0.0"]}
        run, _ = self.scan(names, *(f"{name}:{here.port}/imap" for name in names), exit_code=3)
        self.assertEqual(run.records, [])
        self.assertEqual(self.farm.stop()[here.at()]["accepted"], 0)

    def test_forms_of_a_name(self):
        """Letters and a last dot make no difference."""
        server = self.farm.add("imap")
        self.farm.start()
        run, asked = self.scan({"mail.demo.test": [server.address]}, "mail.demo.test:10143/imap",
                               "MAIL.Demo.TEST.:10143/imap")
        self.assertEqual(self.one(run)["endpoint"]["host"], "mail.demo.test")
        self.assertEqual(len(asked), 2)

    def test_many_names(self):
        """More than are resolved at once, all of one server: one connection at a time to it."""
        server = self.farm.add("imap", greeting_delay="1")
        self.farm.start()
        names = {f"n{i}.demo.test": [server.address] for i in range(300)}
        run, asked = self.scan(names, "--facts", "capabilities",
                               *(f"{name}:10143/imap" for name in names))
        self.assertEqual({r["endpoint"]["host"] for r in run.records}, set(names))
        self.assertEqual(len(asked), 600)
        self.assertEqual({record["status"] for record in run.records}, {"ok"})


class Failures(NamesCase, unittest.TestCase):
    def unresolved(self, names, code):
        """Told and recorded."""
        run, _ = self.scan(names, "--all", "no.demo.test:10143/imap", exit_code=3)
        record = self.one(run)
        self.assertEqual((record["status"], record["error"]["stage"], record["error"]["code"]),
                         ("dns_error", "resolve", code))
        endpoint = record["endpoint"]
        self.assertEqual((endpoint["ip"], endpoint["sni"], record["connections"]),
                         (None, "no.demo.test", 0))
        self.assertEqual({entry["reason"] for entry in record["unknown"]}, {"dns_error"})
        self.assertRegex(run.errors, f"no.demo.test.*{code}")
        self.assertEqual(run.errors.count("no.demo.test"), 1)

    def test_only_counted(self):
        run, _ = self.scan({}, "no.demo.test:10143/imap", exit_code=3)
        self.assertEqual(run.records, [])
        self.assertIn("no.demo.test", run.errors)
        self.assertEqual(run.end["endpoints"]["by_status"], [{"status": "dns_error", "count": 1}])
        self.assertEqual(run.end["hosts"], {"scanned": 1, "answered": 0})

    def setUp(self):
        super().setUp()
        self.farm.add("imap")
        self.farm.start()

    def test_no_such_name(self):
        self.unresolved({}, "no_such_name")

    def test_no_address(self):
        self.unresolved({"no.demo.test": []}, "no_address")

    def test_server_failure(self):
        self.unresolved({"no.demo.test": SERVFAIL}, "server_failure")

    def test_silence(self):
        self.unresolved({"no.demo.test": SILENT}, "timeout")

    def test_others_go_on(self):
        server = self.farm.servers[0]
        run, _ = self.scan({"mail.demo.test": [server.address], "no.demo.test": SERVFAIL},
                           "no.demo.test:10143/imap", "mail.demo.test:10143/imap",
                           "gone.demo.test:10143/imap")
        self.assertEqual(self.one(run)["endpoint"]["host"], "mail.demo.test")
        self.assertEqual(run.end["hosts"], {"scanned": 3, "answered": 1})

    def test_every_endpoint_of_a_name_without_address(self):
        run, _ = self.scan({}, "--all", "no.demo.test", exit_code=3)
        self.assertEqual(len(run.records), 10)
        self.assertEqual({record["status"] for record in run.records}, {"dns_error"})


class LeftOut(NamesCase, unittest.TestCase):
    """What a name has and is not asked is in the record, with the reason."""

    def setUp(self):
        super().setUp()
        self.server = self.farm.add("imap")
        self.farm.start()

    def left_out(self, addresses, *arguments, exit_code=0):
        """Of a name with these addresses: the one record, and what it says is left out."""
        run, _ = self.scan({"mail.demo.test": addresses}, "--all", *arguments,
                           "mail.demo.test:10143/imap", exit_code=exit_code)
        record = self.one(run)
        return run, record, record["endpoint"].get("left_out")

    def test_nothing(self):
        _, record, left_out = self.left_out([self.server.address])
        self.assertEqual((record["status"], left_out), ("ok", None))

    def test_addresses_that_no_host_has(self):
        """A name that is blocked has 0.0.0.0, by which the system means itself."""
        for address, family, reason in (
                ("0.0.0.0", "ipv4", "unspecified"), ("::", "ipv6", "unspecified"),
                ("224.0.0.1", "ipv4", "multicast"), ("ff02::1", "ipv6", "multicast"),
                ("255.255.255.255", "ipv4", "broadcast"), ("fe80::1", "ipv6", "link_local"),
                ("64:ff9b::", "ipv6", "unspecified"), ("64:ff9b::e000:1", "ipv6", "multicast"),
                ("2002::1", "ipv6", "unspecified")):
            with self.subTest(address):
                run, record, left_out = self.left_out([address], exit_code=3)
                self.assertEqual((record["status"], record["error"]["code"], record["connections"]),
                                 ("dns_error", "no_usable_address", 0))
                self.assertEqual(record["endpoint"]["ip"], None)
                self.assertEqual(left_out, [{"family": family, "reason": reason, "count": 1,
                                             "first": address}])
                self.assertIn(f"mail.demo.test: {family.replace('ipv', 'IPv')} address {address} "
                              f"left out: {reason}", run.errors)

    def test_some(self):
        addresses = [self.server.address, "0.0.0.0", "ff02::2", "ff02::1"]
        _, record, left_out = self.left_out(addresses)
        self.assertEqual((record["status"], record["endpoint"]["ip"]), ("ok", self.server.address))
        self.assertEqual(left_out, [
            {"family": "ipv4", "reason": "unspecified", "count": 1, "first": "0.0.0.0"},
            {"family": "ipv6", "reason": "multicast", "count": 2, "first": "ff02::1"}])

    def test_excluded(self):
        file = self.farm.directory / "exclude"
        file.write_text(f"{self.farm.net}.200/29\n10.9.0.0/16\n")
        spelt = ["64:ff9b::a09:1", "2002:a09:1::1", "::10.9.0.1"]
        addresses = [self.server.address, f"{self.farm.net}.201", f"{self.farm.net}.202", *spelt]
        _, record, left_out = self.left_out(addresses, "-x", file)
        self.assertEqual(record["status"], "ok")
        self.assertEqual(left_out, [
            {"family": "ipv4", "reason": "excluded", "count": 2, "first": f"{self.farm.net}.201"},
            {"family": "ipv6", "reason": "excluded", "count": 3, "first": "::10.9.0.1"}])

    def test_half_a_lookup(self):
        """That an answer is lost does not mean that there is no address."""
        _, record, left_out = self.left_out({A: [self.server.address], AAAA: SERVFAIL})
        self.assertEqual(record["status"], "ok")
        self.assertEqual(left_out, [{"family": "ipv6", "reason": "server_failure", "count": None,
                                     "first": None}])

    def test_half_a_lookup_without_the_other_half(self):
        _, record, left_out = self.left_out({A: SERVFAIL, AAAA: []}, exit_code=3)
        self.assertEqual((record["status"], record["error"]["code"]),
                         ("dns_error", "server_failure"))
        self.assertEqual(left_out, [{"family": "ipv4", "reason": "server_failure", "count": None,
                                     "first": None}])

    def test_many_addresses(self):
        """All of them are asked, up to a limit that the record names."""
        net = self.farm.net
        for count, left in ((100, None), (260, 4)):
            addresses = [f"{net}.{i}" if i < 250 else f"127.254.0.{i - 249}" for i in range(count)]
            with self.subTest(count):
                run, _ = self.scan({"mail.demo.test": addresses}, "--all", "--facts",
                                   "capabilities", "mail.demo.test:10143/imap")
                self.assertEqual({r["endpoint"]["ip"] for r in run.records},
                                 set(addresses[:256]))
                for record in run.records:
                    self.assertEqual(record["endpoint"].get("left_out"), left and [
                        {"family": "ipv4", "reason": "limit", "count": left,
                         "first": "127.254.0.7"}])


class Search(NamesCase, unittest.TestCase):
    def test_no_search_domains(self):
        """A search domain with a wildcard: every name is in it, and only the name counts."""
        server = self.farm.add("imap")
        self.farm.start()
        names = {f"{name}.corp.test": [server.address] for name in ("no.demo.test", "single")}
        for options in ("ndots:0", "ndots:5"):
            with self.subTest(options):
                run, asked = self.scan(names, "--all", "no.demo.test:10143/imap", "single:10143/imap",
                                       env={**os.environ, "LOCALDOMAIN": "corp.test",
                                            "RES_OPTIONS": options}, exit_code=3)
                self.assertEqual({record["error"]["code"] for record in run.records},
                                 {"no_such_name"})
                self.assertEqual({name for name, _ in asked}, {"no.demo.test", "single"})


class Exclusions(NamesCase, unittest.TestCase):
    def excluded(self, text, names, targets, exit_code=0):
        file = self.farm.directory / "exclude"
        file.write_text(text)
        return self.scan(names, "-x", file, *targets, exit_code=exit_code)

    def test_a_resolved_address(self):
        servers = [self.farm.add("imap") for _ in range(3)]
        self.farm.start()
        run, _ = self.excluded(f"{servers[1].address}/32\n",
                               {"mail.demo.test": [s.address for s in servers]},
                               ["mail.demo.test:10143/imap"])
        self.assertEqual(set(run.endpoints), {servers[0].at(), servers[2].at()})
        self.assertEqual(self.farm.stop()[servers[1].at()]["accepted"], 0)

    def test_all_resolved_addresses(self):
        server = self.farm.add("imap")
        self.farm.start()
        run, _ = self.excluded(f"{self.farm.net}.0/24\n", {"mail.demo.test": [server.address]},
                               ["mail.demo.test:10143/imap"])
        self.assertEqual(run.records, [])
        self.assertIn("mail.demo.test", run.errors)
        self.assertEqual(self.farm.stop()[server.at()]["accepted"], 0)

    def test_a_name(self):
        """A name that is excluded is not even asked for."""
        server = self.farm.add("imap")
        self.farm.start()
        run, asked = self.excluded("Bad.Demo.Test\n", {"mail.demo.test": [server.address],
                                                       "bad.demo.test": [server.address]},
                                   ["mail.demo.test:10143/imap", "bad.demo.test:10143/imap"])
        self.assertEqual(self.one(run)["endpoint"]["host"], "mail.demo.test")
        self.assertNotIn("bad.demo.test", {name for name, _ in asked})


class ServerNames(NamesCase, unittest.TestCase):
    def test_sni_is_sent_for_names_only(self):
        """A server that wants server_name: in every hello for a name, in none for an address."""
        servers = [self.farm.add(protocol, mode, sni="required", versions="1.0,1.1,1.2,1.3")
                   for protocol in ("imap", "smtp") for mode in ("clear", "implicit")]
        self.farm.start()
        names = {"mail.demo.test": [server.address for server in servers]}
        for server in servers:
            names[f"{server.address.replace('.', '-')}.demo.test"] = [server.address]
        run, _ = self.scan(names, "--exhaustive", *(server.target().replace(
            server.address, f"{server.address.replace('.', '-')}.demo.test") for server in servers))
        truth = rows(("1.0", "1.1", "1.2", "1.3"))
        truth["/tls/versions/ssl3.0"] = "rejected by alert 112"  # SSLv3 has no server_name
        for server in servers:
            seen = facts.of(run.endpoints[server.at()])
            self.assertEqual([], difference({path: seen[path] for path in truth}, truth))
            self.assertEqual(seen["/tls/established"], True)
        run, _ = self.scan({}, *self.farm.targets())
        for server in servers:
            seen = facts.of(run.endpoints[server.at()])
            self.assertEqual((seen["/tls/failure"], seen["/tls/versions_accepted"]),
                             ("alert 112", []))

    def test_name_match(self):
        good, wrong = self.farm.add("imap"), self.farm.add("imap", cert="wrongname")
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": [good.address, wrong.address],
                            "alias.demo.test": [good.address]},
                           "mail.demo.test:10143/imap", "alias.demo.test:10143/imap",
                           good.target(), wrong.target())
        seen = {(r["endpoint"]["host"], r["endpoint"]["ip"]):
                facts.of(r)["/tls/verify/name_match"] for r in run.records}
        self.assertEqual(seen, {("mail.demo.test", good.address): True,
                                ("mail.demo.test", wrong.address): False,
                                ("alias.demo.test", good.address): False,
                                (good.address, good.address): True,
                                (wrong.address, wrong.address): Unknown("no_ip_san")})
        for record in run.records:  # a wrong name is no matter of trust
            self.assertEqual(record["tls"]["verify"]["trusted"], True)

    def test_a_name_and_its_address(self):
        """Two records, and still one connection at a time to the port."""
        server = self.farm.add("imap", greeting_delay="50")
        self.farm.start()
        run, _ = self.scan({"mail.demo.test": [server.address], "b.demo.test": [server.address]},
                           "--per-host", "10", server.target(), "mail.demo.test:10143/imap",
                           "b.demo.test:10143/imap")
        self.assertEqual(sorted((r["endpoint"]["host"], r["endpoint"]["sni"]) for r in run.records
                                if r["status"] == "ok" and r["endpoint"]["sni"]),
                         [("b.demo.test", "b.demo.test"), ("mail.demo.test", "mail.demo.test")])
        self.assertEqual(len(run.records), 3)
        self.assertEqual(self.farm.stop()[server.at()]["max_open"], 1)

    def test_one_login_and_one_injection_a_service(self):
        """Also where one name is long done before the next is begun."""
        server = self.farm.add("imap", login="allowed", greeting_delay="100")
        self.farm.start()
        names = [f"{letter}.demo.test" for letter in "abcd"]
        run, _ = self.scan({name: [server.address] for name in names}, server.target(),
                           *(f"{name}:10143/imap" for name in names), "--concurrency", "1")
        self.assertEqual(len(run.records), 5)
        self.assertEqual({record["auth"]["cleartext_login"]["verdict"] for record in run.records},
                         {"accepted"})
        self.assertEqual({record["starttls"]["injection"] for record in run.records},
                         {"not_vulnerable"})
        row = self.farm.stop()[server.at()]
        self.assertEqual((row["logins"], row["injections"]), (1, 1))

    def test_labels_of_a_name(self):
        servers = [self.farm.add("imap") for _ in range(2)]
        self.farm.start()
        file = self.farm.directory / "targets"
        file.write_text("mail.demo.test:10143/imap owner=me\n")
        run, _ = self.scan({"mail.demo.test": [s.address for s in servers]}, "-f", file)
        self.assertEqual(len(run.records), 2)
        for record in run.records:
            self.assertEqual((record["endpoint"]["labels"], record["endpoint"]["source"]),
                             ({"owner": "me"}, {"file": str(file), "line": 1}))


if __name__ == "__main__":
    main()
