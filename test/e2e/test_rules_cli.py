#!/usr/bin/env python3
"""`nodevitals check rules` and `nodevitals test rules`: output and exit statuses as promtool's."""
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

NODEVITALS = os.environ["NODEVITALS"]

GOOD = "groups: [{name: g, rules: [{record: 'a:b', expr: sum(x)}, {alert: A, expr: up == 0, for: 1m}]}]\n"
TWICE = "groups: [{name: g, rules: [{record: r, expr: '1'}, {record: r, expr: '2'}]}]\n"
BAD = "groups:\n- name: g\n  rules:\n  - {record: r, expr: 'sum('}\n"
EXTRA = "groups: [{name: g, owner: me}]\n"
TESTS = """
rule_files: [good.yml]
tests:
- name: right
  input_series: [{series: x, values: 1 2 3}]
  promql_expr_test: [{expr: 'a:b', eval_time: 2m, exp_samples: [{labels: 'a:b', value: 3}]}]
- name: wrong
  input_series: [{series: x, values: 1 2 3}]
  promql_expr_test: [{expr: 'a:b', eval_time: 2m, exp_samples: [{labels: 'a:b', value: 4}]}]
"""


def run(*words, text=""):
    return subprocess.run([NODEVITALS, *words], input=text, capture_output=True, text=True, timeout=120)


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name, text in (("good.yml", GOOD), ("twice.yml", TWICE), ("bad.yml", BAD), ("extra.yml", EXTRA),
                           ("tests.yml", TESTS)):
            with open(self.path(name), "w", encoding="utf-8") as f:
                f.write(text)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_good_rules_are_counted(self):
        answer = run("check", "rules", self.path("good.yml"))
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertEqual(answer.stdout, f"Checking {self.path('good.yml')}\n  SUCCESS: 2 rules found\n\n")

    def test_mistakes_are_status_1_and_do_not_hide_other_files(self):
        answer = run("check", "rules", self.path("bad.yml"), self.path("good.yml"))
        self.assertEqual(answer.returncode, 1)
        self.assertIn("  FAILED:\n" + self.path("bad.yml") + ": 4:23: group \"g\", rule 1, \"r\": could not parse",
                      answer.stderr)
        self.assertIn("SUCCESS: 2 rules found", answer.stdout)

    def test_the_lint_is_fatal_when_asked_to_be(self):
        for flags, status, told in (((), 0, True), (("--lint-fatal",), 3, True), (("--lint=all", "--lint-fatal"), 3, True),
                                    (("--lint=none", "--lint-fatal"), 0, False)):
            answer = run("check", "rules", *flags, self.path("twice.yml"))
            self.assertEqual(answer.returncode, status, flags)
            self.assertEqual("lint error 1 duplicate rule(s) found.\nMetric: r\n" in answer.stderr, told)
        self.assertEqual(run("check", "rules", "--lint-fatal", self.path("twice.yml"), self.path("bad.yml")).returncode, 1)
        self.assertEqual(run("check", "rules", "--lint=nonsense", self.path("good.yml")).returncode, 1)

    def test_unknown_keys_are_refused_unless_ignored(self):
        self.assertEqual(run("check", "rules", self.path("extra.yml")).returncode, 1)
        self.assertEqual(run("check", "rules", "--ignore-unknown-fields", self.path("extra.yml")).returncode, 0)

    def test_without_files_it_is_standard_input(self):
        answer = run("check", "rules", text=GOOD)
        self.assertEqual((answer.returncode, answer.stdout), (0, "Checking standard input\n  SUCCESS: 2 rules found\n\n"))
        self.assertEqual(run("check", "rules", text=BAD).returncode, 1)

    def test_a_file_that_is_not_there_is_a_mistake(self):
        answer = run("check", "rules", self.path("none.yml"))
        self.assertEqual(answer.returncode, 1)
        self.assertIn("none.yml", answer.stderr)

    def test_tests_fail_with_what_is_and_what_was_expected(self):
        answer = run("test", "rules", self.path("tests.yml"))
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(answer.stderr, "  FAILED:\n    name: wrong,\n    expr: \"a:b\", time: 2m,\n"
                         "        exp: a:b 4\n        got: a:b 3\n")

    def test_tests_are_chosen_by_name(self):
        answer = run("test", "rules", "--run=^right", self.path("tests.yml"))
        self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (0, "  SUCCESS\n\n", ""))
        self.assertEqual(run("test", "rules", "--run=(", self.path("tests.yml")).returncode, 1)

    def test_results_are_written_as_junit(self):
        run("test", "rules", "--junit", self.path("junit.xml"), self.path("tests.yml"))
        cases = ET.parse(self.path("junit.xml")).getroot().findall("testsuite/testcase")
        self.assertEqual([(case.get("name"), case.find("failure") is not None) for case in cases],
                         [("right", False), ("wrong", True)])

    def test_words_that_are_none_are_refused(self):
        for words in (("test",), ("test", "rule"), ("test", "rules"), ("check",), ("check", "rule")):
            self.assertEqual(run(*words).returncode, 1, words)
        self.assertIn("--lint-fatal", run("check", "rules", "--help").stdout)
        self.assertIn("--junit", run("test", "rules", "--help").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
