#!/usr/bin/env python3
"""`nodevitals check config`: what it says and how it ends, beside promtool where that is installed."""
import os
import shutil
import subprocess
import tempfile
import unittest

FILES = {
    "good.yml": "global: {scrape_interval: 15s}\nrule_files: [rules.yml, 'more-*.yml']\n",
    "plain.yml": "scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]\n",
    "unknown.yml": "globl: {}\n",
    "interval.yml": "global: {scrape_interval: 1.5h}\n",
    "twice.yml": "scrape_configs: [{job_name: a}, {job_name: a}]\n",
    "missing-rules.yml": "rule_files: [nowhere.yml]\n",
    "bad-rules.yml": "rule_files: [wrong.yml]\n",
    "missing-ca.yml": "scrape_configs: [{job_name: a, scheme: https, tls_config: {ca_file: nowhere.pem}}]\n",
    "missing-token.yml": "scrape_configs: [{job_name: a, authorization: {credentials_file: nowhere}}]\n",
    "missing-targets.yml": "scrape_configs: [{job_name: a, file_sd_configs: [{files: [nowhere.json]}]}]\n",
    "bad-targets.yml": "scrape_configs: [{job_name: a, file_sd_configs: [{files: [targets.json]}]}]\n",
    "duplicates.yml": "rule_files: [duplicates-rules.yml]\n",
    "rules.yml": "groups: [{name: a, rules: [{record: x, expr: up}]}]\n",
    "wrong.yml": "groups: [{name: a, rules: [{record: x, expr: 'up +'}]}]\n",
    "duplicates-rules.yml": "groups: [{name: a, rules: [{record: x, expr: up}, {record: x, expr: up}]}]\n",
    "targets.json": '[{"targets": 5}]',
}
STATUS = {
    "good.yml": 0, "plain.yml": 0, "unknown.yml": 1, "interval.yml": 1, "twice.yml": 1, "missing-rules.yml": 1,
    "bad-rules.yml": 1, "missing-ca.yml": 1, "missing-token.yml": 1, "missing-targets.yml": 0, "bad-targets.yml": 1,
    "duplicates.yml": 0,
}


class CheckConfig(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        for name, text in FILES.items():
            with open(os.path.join(self.folder.name, name), "w", encoding="utf-8") as f:
                f.write(text)

    def tearDown(self):
        self.folder.cleanup()

    def run_in(self, command, *words):
        return subprocess.run([command, "check", "config", *words], cwd=self.folder.name, capture_output=True,
                              text=True, timeout=60)

    def check(self, *words):
        return self.run_in(os.environ["NODEVITALS"], *words)

    def test_status(self):
        for name, status in STATUS.items():
            with self.subTest(name):
                answer = self.check(name)
                self.assertEqual(answer.returncode, status, answer.stdout + answer.stderr)
                self.assertTrue(answer.stdout.startswith(f"Checking {name}\n"), answer.stdout)
                self.assertEqual("FAILED" in answer.stderr, status == 1 or name == "duplicates.yml")

    def test_promtool_says_the_same_where_all_is_well(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        for name, status in STATUS.items():
            if name == "missing-ca.yml":  # which promtool does not look for
                continue
            with self.subTest(name):
                theirs, ours = self.run_in("promtool", name), self.check(name)
                self.assertEqual(ours.returncode, theirs.returncode, ours.stdout + theirs.stderr)
                if status == 0:
                    self.assertEqual(ours.stdout.strip(), theirs.stdout.strip())

    def test_errors_have_their_place(self):
        self.assertIn("FAILED: unknown.yml:1:1: unknown key 'globl'", self.check("unknown.yml").stderr)
        self.assertIn("FAILED: interval.yml:1:27: not a valid duration string", self.check("interval.yml").stderr)
        self.assertIn('FAILED: "nowhere.yml" does not point to an existing file', self.check("missing-rules.yml").stderr)
        self.assertIn('wrong.yml: 1:46: group "a", rule 1, "x": could not parse expression', self.check("bad-rules.yml").stderr)

    def test_one_bad_file_fails_all(self):
        answer = self.check("good.yml", "unknown.yml", "plain.yml")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("SUCCESS: good.yml is valid", answer.stdout)
        self.assertIn("SUCCESS: plain.yml is valid", answer.stdout)

    def test_syntax_alone_asks_for_no_file(self):
        for name in ("missing-rules.yml", "bad-rules.yml", "missing-ca.yml", "bad-targets.yml"):
            self.assertEqual(self.check("--syntax-only", name).returncode, 0, name)
        self.assertEqual(self.check("--syntax-only", "unknown.yml").returncode, 1)

    def test_lint(self):
        self.assertEqual(self.check("--lint-fatal", "duplicates.yml").returncode, 3)
        self.assertEqual(self.check("--lint-fatal", "--lint=none", "duplicates.yml").returncode, 0)
        self.assertEqual(self.check("--lint=nonsense", "good.yml").returncode, 1)

    def test_usage(self):
        self.assertEqual(self.check().returncode, 1)
        self.assertEqual(self.check("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
