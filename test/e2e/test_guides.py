#!/usr/bin/env python3
"""What the guides name is there: flags of the agent, metrics, files, headings, values of the chart, the version. Commands in
them are at least shell.
"""
import glob
import os
import re
import subprocess
import tempfile
import unittest

import harness

COMMANDS = ((), ("collect",), ("query",), ("top",), ("check", "config"), ("check", "rules"), ("check", "metrics"),
            ("test", "rules"), ("tsdb", "list"), ("tsdb", "analyze"), ("tsdb", "verify"), ("tsdb", "import"),
            ("tsdb", "export"))
OURS = "collector|web|storage|path|kube|kubelet|query|rules|config|log|enable|http"  # beginnings of the agent's flags
METRIC = re.compile(r"\b(?:nodevitals|node|container|kube|problem|prometheus|promhttp|process)_[a-z0-9_]+\b")
MADE = ("node_hwmon_", "node_vmstat_", "node_memory_", "node_netstat_")  # named by the kernel
NOT_METRICS = ("nodevitals_0", "node_exporter", "node_uname_info_")
SHELL = ("sh ", ". ", "cmake ", "podman ", "kubectl ", "helm ", "install ", "systemctl ", "nodevitals ", "curl ", "sed ")


def read(path):
    with open(os.path.join(harness.SOURCE, path), encoding="utf-8") as f:
        return f.read()


def found(*patterns):
    names = [name for pattern in patterns for name in glob.glob(pattern, root_dir=harness.SOURCE, recursive=True)]
    return sorted(name for name in names if os.path.isfile(os.path.join(harness.SOURCE, name)))


GUIDES = found("README.md", "deploy/**/README.md")
SAYING = GUIDES + found("deploy/*.*", "deploy/drop-ins/*", "deploy/debian/*", "deploy/rules/*", "deploy/man/*.in",
                        "deploy/kubernetes/**/*.y*ml", "deploy/helm/**/*.y*ml", "deploy/helm/**/*.t*")


def blocks(text):
    """What is indented by four or more, as shell commands are."""
    for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text, re.M):
        yield re.sub("^    ", "", block, flags=re.M)


def anchors(path):
    for heading in re.findall(r"^#+ (.*)", read(path), re.M):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


class Guides(unittest.TestCase):
    def test_there_are_some(self):
        self.assertGreaterEqual(len(GUIDES), 4)
        self.assertGreater(len(SAYING), 40)
        self.assertGreater(sum(1 for path in GUIDES for _ in blocks(read(path))), 20)

    def test_flags_are_the_agents(self):
        known = {"collector.NAME", "no-collector.NAME"}
        for command in COMMANDS:
            for switch, name in re.findall(r"--(\[no-\])?([\w.-]+)", harness.run(*command, "--help-long").stdout):
                known |= {name, "no-" + name} if switch else {name}
        self.assertGreater(len(known), 300)
        for path in SAYING:
            for name in re.findall(rf"--((?:no-)?(?:{OURS})\.[\w.-]*\w)", read(path)):
                self.assertIn(name, known, path)

    def test_metrics_are_somewhere(self):
        sources = "".join(read(path) for path in found("collectors/**/*.[ch]", "src/**/*.[ch]"))
        for path in SAYING:
            for name in METRIC.findall(read(path)):
                if not name.startswith(MADE + NOT_METRICS):
                    self.assertIn(name, sources, path)

    def test_links_lead_somewhere(self):
        for path in GUIDES:
            for link in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", read(path)):
                if "://" in link:
                    continue
                name, _, heading = link.partition("#")
                there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, there)), f"{path}: {link}")
                if heading:
                    self.assertIn(heading, set(anchors(there)), f"{path}: {link}")

    def test_files_they_name_are_there(self):
        for path in GUIDES:
            for name in re.findall(r"(?<![\w/.-])((?:deploy|test|collectors|include)/[\w./-]*\w)", read(path)):
                self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, name)), f"{path}: {name}")

    def test_commands_are_shell(self):
        tried = 0
        for path in GUIDES:
            for block in blocks(read(path)):
                if not block.startswith(SHELL):
                    continue
                tried += 1
                done = subprocess.run(["sh", "-n"], input=block, capture_output=True, text=True, timeout=harness.SLOW)
                self.assertEqual(done.returncode, 0, f"{path}: {block}{done.stderr}")
        self.assertGreater(tried, 10)

    def test_configurations_are_taken_by_the_agent(self):
        tried = 0
        for path in GUIDES:
            for block in blocks(read(path)):
                if re.match(r"(rule_files|scrape_configs|alerting|notify|global):", block):
                    tried += 1
                    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
                        rules = os.path.join(harness.SOURCE, "deploy", "rules")
                        file.write(block.replace("/usr/share/nodevitals/rules", rules)
                                   .replace("/usr/local/bin/page", "/bin/true"))
                        file.flush()
                        checked = harness.run("check", "config", file.name)
                    self.assertEqual(checked.returncode, 0, f"{path}: {checked.stdout}{checked.stderr}")
        self.assertGreaterEqual(tried, 2)

    def test_units_have_comments_on_lines_of_their_own(self):
        """systemd takes what stands behind a value for a part of it."""
        units = [read(path) for path in found("deploy/*.service", "deploy/*.socket", "deploy/drop-ins/*")]
        units += [block for path in GUIDES for block in blocks(read(path)) if re.search(r"^\[\w+\]$", block, re.M)]
        self.assertGreater(len(units), 7)
        for unit in units:
            for line in unit.splitlines():
                self.assertFalse("=" in line and "#" in line and not line.startswith("#"), line)

    def test_settings_are_values_of_the_chart(self):
        values = read("deploy/helm/nodevitals/values.yaml")
        for path in GUIDES:
            for setting in re.findall(r"--set ([\w.]+)=", read(path)):
                for depth, key in enumerate(setting.partition(".additionalLabels.")[0].split(".")):
                    self.assertRegex(values, rf"(?m)^ {{{2 * depth}}}{key}:", f"{path}: {setting}")

    def test_the_version_is_the_agents(self):
        version = re.search(r"version ([0-9.]+)", harness.run("--version").stdout).group(1)
        named = [(path, name) for path in GUIDES + found("deploy/kubernetes/**/*.yaml")
                 for name in re.findall(r"nodevitals[:_]([0-9]+\.[0-9.]*[0-9])", read(path))]
        self.assertGreater(len(named), 5)
        for path, name in named:
            self.assertEqual(name, version, path)


if __name__ == "__main__":
    unittest.main()
