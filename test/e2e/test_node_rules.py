"""deploy/rules/node.yml: every alert explains itself, and has a test that it passes."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

NODEVITALS = os.environ["NODEVITALS"]
SOURCE = os.environ["NV_SOURCE"]
RULES = os.path.join(SOURCE, "deploy/rules/node.yml")
TESTS = os.path.join(SOURCE, "test/deploy/node_rules.yml")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


class NodeRules(unittest.TestCase):
    def test_they_are_valid(self):
        answer = run(NODEVITALS, "check", "rules", "--lint=all", "--lint-fatal", RULES)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_each_says_what_it_means_and_what_to_do(self):
        for rule in re.split(r"^  - alert: ", read(RULES), flags=re.M)[1:]:
            name = rule.split("\n")[0]
            for part in ("expr:", "severity:", "summary:", "runbook:"):
                self.assertIn(part, rule, name)

    def test_each_has_a_test(self):
        alerts = re.findall(r"^  - alert: (\w+)", read(RULES), re.M)
        tested = re.findall(r"^- name: (\w+)", read(TESTS), re.M)
        self.assertEqual(sorted(alerts), sorted(tested))

    def test_they_fire_when_they_should_and_not_before(self):
        answer = run(NODEVITALS, "test", "rules", TESTS)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_another_threshold_would_be_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "deploy/rules"))
            os.makedirs(os.path.join(folder, "test/deploy"))
            with open(os.path.join(folder, "deploy/rules/node.yml"), "w", encoding="utf-8") as f:
                f.write(read(RULES).replace("< 0.03", "< 0.01"))
            shutil.copy(TESTS, os.path.join(folder, "test/deploy"))
            answer = run(NODEVITALS, "test", "rules", os.path.join(folder, "test/deploy/node_rules.yml"))
        self.assertEqual(answer.returncode, 1)
        self.assertIn("FilesystemAlmostFull", answer.stderr)

    def test_promtool_says_the_same(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        answer = run("promtool", "test", "rules", TESTS)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)


if __name__ == "__main__":
    unittest.main()
