# SPDX-License-Identifier: MIT
"""samples/kubernetes: the jobs are what Kubernetes asks for, as far as can be told without one, and
what their containers run does what it should: here, index by index, against played servers."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

import scan
import validate
from case import main
from played import Farm
from shards import records_of

SAMPLES = Path(__file__).parents[2] / "samples" / "kubernetes"
QUANTITY = r"\d+(m|Ki|Mi|Gi)?"
NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def documents(name):
    return list(yaml.safe_load_all((SAMPLES / name).read_text()))


CONFIG, SCAN = documents("job.yaml")
VOLUME, = documents("claim.yaml")
MERGE, = documents("merge.yaml")


def pod(job):
    return job["spec"]["template"]["spec"]


def container(job):
    one, = pod(job)["containers"]
    return one


class Form(unittest.TestCase):
    def test_kinds(self):
        for item, version, kind in ((CONFIG, "v1", "ConfigMap"),
                                    (VOLUME, "v1", "PersistentVolumeClaim"),
                                    (SCAN, "batch/v1", "Job"), (MERGE, "batch/v1", "Job")):
            self.assertEqual((item["apiVersion"], item["kind"]), (version, kind))
            self.assertRegex(item["metadata"]["name"], f"^{NAME}$")

    def test_indexed_job(self):
        spec = SCAN["spec"]
        self.assertEqual(spec["completionMode"], "Indexed")
        self.assertEqual(str(spec["completions"]), environment()["SHARDS"])
        self.assertLessEqual(spec["parallelism"], spec["completions"])
        self.assertGreater(spec["backoffLimitPerIndex"], 0)
        self.assertNotIn("backoffLimit", spec)
        fail, ignore = spec["podFailurePolicy"]["rules"]
        self.assertEqual(fail["action"], "FailIndex")
        self.assertEqual(fail["onExitCodes"], {"containerName": container(SCAN)["name"],
                                               "operator": "In", "values": [2]})
        self.assertEqual(ignore["action"], "Ignore")
        self.assertEqual(ignore["onPodConditions"], [{"type": "DisruptionTarget", "status": "True"}])
        self.assertEqual(pod(SCAN)["restartPolicy"], "Never")  # podFailurePolicy asks for it

    def test_environment_is_text(self):
        for variable in container(SCAN)["env"]:
            self.assertIsInstance(variable["value"], str)
        for value in CONFIG["data"].values():
            self.assertIsInstance(value, str)

    def test_rights(self):
        for job in (SCAN, MERGE):
            with self.subTest(job["metadata"]["name"]):
                self.assertIs(pod(job)["automountServiceAccountToken"], False)
                self.assertIs(pod(job)["securityContext"]["runAsNonRoot"], True)
                self.assertGreater(pod(job)["securityContext"]["runAsUser"], 0)
                self.assertEqual(pod(job)["securityContext"]["seccompProfile"],
                                 {"type": "RuntimeDefault"})
                context = container(job)["securityContext"]
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                self.assertNotIn("privileged", context)

    def test_resources(self):
        for job in (SCAN, MERGE):
            for values in container(job)["resources"].values():
                for value in values.values():
                    self.assertRegex(str(value), f"^{QUANTITY}$")
            self.assertIn("memory", container(job)["resources"]["limits"])
            self.assertEqual(set(container(job)["resources"]["requests"]), {"cpu", "memory"})

    def test_volumes(self):
        """What is mounted is there, and what is there is mounted."""
        names = {"configMap": CONFIG["metadata"]["name"],
                 "persistentVolumeClaim": VOLUME["metadata"]["name"]}
        for job in (SCAN, MERGE):
            volumes = {volume["name"]: volume for volume in pod(job)["volumes"]}
            self.assertEqual(set(volumes), {m["name"] for m in container(job)["volumeMounts"]})
            for volume in volumes.values():
                for kind, name in names.items():
                    if kind in volume:
                        self.assertIn(name, volume[kind].values())
        self.assertEqual(VOLUME["spec"]["accessModes"], ["ReadWriteMany"])  # pods on many nodes

    def test_the_same_image_for_both(self):
        self.assertEqual(container(SCAN)["image"], container(MERGE)["image"])
        self.assertIn(container(SCAN)["image"], (SAMPLES / "Containerfile").read_text())

    def test_image(self):
        """Every library that the program is linked with is in one of the packages."""
        text = (SAMPLES / "Containerfile").read_text()
        linked = subprocess.run(["readelf", "-d", scan.named_file("STARTTLS_AUDIT")],
                                capture_output=True, text=True, check=True).stdout
        wanted = re.findall(r"\(NEEDED\).*\[lib(\w+)\.so\.(\d+)\]", linked)
        ours = {"cjson", "cyaml", "cares", "gnutls", "uv"}
        self.assertLessEqual(ours, {name for name, _ in wanted})
        for name, number in wanted:
            if name in ours:
                self.assertRegex(text, rf" lib(c-ares|{name}){number}\b")


def environment():
    return {variable["name"]: variable["value"] for variable in container(SCAN)["env"]}


class Containers(unittest.TestCase):
    """The commands, with directories of a test for the volumes."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        for name in ("targets", "shards", "bin"):
            (self.directory / name).mkdir()
        for name, text in CONFIG["data"].items():
            (self.directory / "targets" / name).write_text(text)
        (self.directory / "bin/starttls-audit").symlink_to(scan.named_file("STARTTLS_AUDIT"))

    def run_container(self, job, replace=(), **variables):
        """The exit code, and what was said."""
        command = [*container(job)["command"], *container(job)["args"]]
        for mount in container(job)["volumeMounts"]:
            path = mount["mountPath"]
            command[-1] = re.sub(rf"(?<![\w/]){path}/", f"{self.directory}{path}/", command[-1])
        for old, new in replace:
            self.assertIn(old, command[-1])
            command[-1] = command[-1].replace(old, new)
        path = f"{self.directory}/bin:{os.environ['PATH']}"
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=scan.WATCHDOG,
                              env=os.environ | environment() | {"PATH": path} | variables)
        return done.returncode, done.stdout + done.stderr

    def shards(self):
        return sorted(path.name for path in (self.directory / "shards").glob("*.ndjson"))

    def test_the_command_line_is_accepted(self):
        """As it stands there, with the targets that stand there; a dry run writes nothing."""
        code, said = self.run_container(SCAN, [("scan --quiet", "scan --dry-run --quiet")],
                                        JOB_COMPLETION_INDEX="15")
        self.assertRegex(said, r"\b\d+ hosts, [1-9]\d* endpoints")
        self.assertIn("was stopped (scan: exit 0)", said)
        self.assertEqual((code, self.shards()), (2, []))

    def test_a_mistake_is_told_by_the_exit_code(self):
        (self.directory / "targets/targets.txt").write_text("192.0.2.256\n")
        code, said = self.run_container(SCAN, JOB_COMPLETION_INDEX="0")
        self.assertEqual((code, self.shards()), (2, []))
        self.assertIn("targets.txt:1: ", said)

    def test_all_indexes(self):
        with Farm() as farm:
            for i in range(12):
                farm.add(("imap", "pop3", "smtp", "ftp")[i % 4], starttls="none" if i % 3 else "offer")
            farm.start()
            options = [("scan --quiet", f"scan --quiet --ca-file {farm.ca_file}")]
            targets = self.directory / "targets/targets.txt"
            targets.write_text("".join(f"{target}\n" for target in farm.targets()))
            indexes = range(SCAN["spec"]["completions"])
            for index in reversed(indexes):
                if index != 7:
                    code, said = self.run_container(SCAN, options, JOB_COMPLETION_INDEX=str(index))
                    self.assertEqual((code, said), (0, ""))
            code, said = self.run_container(MERGE)
            self.assertEqual(code, 3)
            self.assertIn("missing: 7 of 16", said)
            for index in indexes:  # the job once more
                code, said = self.run_container(SCAN, options, JOB_COMPLETION_INDEX=str(index))
                self.assertEqual((code, "is there" in said), (0, index != 7))
            self.assertEqual(len(self.shards()), 1 + len(indexes))  # with the result of before
            self.assertEqual(self.run_container(MERGE), (0, ""))
            output = (self.directory / "shards/result.ndjson").read_bytes()
            self.assertEqual(validate.check_run(output), [])
            single = scan.run("--ca-file", farm.ca_file, "--seed", environment()["SEED"], "-x",
                              self.directory / "targets/exclude.txt", "-f", targets)
        records = records_of(output)
        self.assertEqual({record["endpoint"]["key"]: record["checks"] for record in records[1:-1]},
                         {record["endpoint"]["key"]: record["checks"] for record in single.records})
        for name in ("complete", "endpoints", "hosts", "findings", "exit_code"):
            self.assertEqual(records[-1][name], single.end[name], name)


if __name__ == "__main__":
    main()
