"""The command line: what it answers, what it refuses, in which words and with which status."""
import unittest

from harness import run


class CommandLine(unittest.TestCase):
    def refused(self, message, *arguments, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, 1, result)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr, f"nodevitals: error: {message}, try --help\n")

    def asked(self, *arguments):
        result = run(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_version_goes_to_standard_output(self):
        self.assertRegex(self.asked("--version"), r"^nodevitals, version \d+\.\d+\.\d+ \(branch: ")

    def test_help_goes_to_standard_output_in_groups(self):
        text = self.asked("--help")
        for heading in ("General:", "Web:", "Storage:", "Collector cpu:", "Collector diskstats:"):
            self.assertIn(f"\n{heading}\n", text)
        self.assertIn("--[no-]collector.cpu", text)
        self.assertRegex(text, r"\nCommands, [^\n]*:\n  agent  .*\n  collect  .*\n  check  ")
        self.assertEqual(text, self.asked("-h"))
        self.assertLessEqual(len(text.splitlines()), len(self.asked("--help-long").splitlines()))

    def test_every_command_has_help(self):
        self.assertIn("usage: nodevitals collect", self.asked("collect", "--help"))
        self.assertIn("nodevitals check metrics", self.asked("check", "--help"))
        self.assertIn("usage: nodevitals query EXPRESSION", self.asked("query", "--help"))
        self.assertIn("usage: nodevitals ", self.asked("agent", "--help"))

    def test_hidden_requests_are_answered(self):
        self.assertIn(".SH OPTIONS", self.asked("--help-man"))
        self.assertIn("complete ", self.asked("--completion-script-bash"))
        self.assertIn("compdef", self.asked("--completion-script-zsh"))
        self.assertIn("complete -c nodevitals", self.asked("--completion-script-fish"))
        self.assertEqual(self.asked("--completion-bash", "--collector.disk").splitlines()[:1],
                         ["--collector.diskstats"])

    def test_completion_knows_commands_their_words_and_their_flags(self):
        def completed(*words):
            return self.asked("--completion-bash", *words).splitlines()

        self.assertEqual(completed(""), ["agent", "collect", "check", "query", "test", "top", "tsdb"])
        self.assertEqual(completed("t"), ["test", "top", "tsdb"])
        self.assertEqual(completed("tsdb", "ver"), ["verify"])
        self.assertEqual(completed("check", ""), ["config", "metrics", "rules"])
        self.assertEqual(completed("tsdb", "export", "--form"), ["--format"])
        self.assertEqual(completed("query", "up", "--sta"), ["--start"])
        self.assertEqual(completed("collect", "--path.proc"), ["--path.procfs"])
        self.assertEqual(completed("--log.level=debug", "--path.proc"), ["--path.procfs"])
        for nothing in (("check", "metrics", "--"), ("tsdb", "nothing", "--"), ("query", "up"), ("no",)):
            self.assertEqual(completed(*nothing), [], nothing)

    def test_a_misspelt_flag_gets_a_suggestion(self):
        self.refused("unknown long flag '--colector.cpu', did you mean '--collector.cpu'?",
                     "--colector.cpu")

    def test_a_misspelt_command_gets_a_suggestion(self):
        self.refused("unknown command 'colect', did you mean 'collect'?", "colect")
        self.refused("unexpected file", "file")
        self.refused("unknown command 'check metric', did you mean 'check metrics'?", "check",
                     "metric")

    def test_booleans_take_no_value(self):
        self.refused("unexpected true", "--collector.cpu=true")

    def test_a_repeated_flag_is_refused(self):
        self.refused("flag 'path.procfs' cannot be repeated", "--path.procfs=a", "--path.procfs=b")

    def test_wrong_values_are_told(self):
        self.refused("flag '--log.level': enum value must be one of debug,info,warn,error, got 'loud'",
                     "--log.level=loud")
        self.refused("flag '--log.format': enum value must be one of logfmt,json, got 'xml'",
                     "--log.format", "xml")
        self.refused("flag '--web.telemetry-path' cannot be 'metrics': it begins with /",
                     "--web.telemetry-path=metrics")
        self.refused("flag '--web.max-requests' cannot be '-1': it is 0 to 65535",
                     "--web.max-requests=-1")

    def test_the_environment_is_read_where_upstream_reads_it(self):
        self.refused("environment variable GOMAXPROCS cannot be 'x'", env={"GOMAXPROCS": "x"})

    def test_a_bad_expression_is_told_with_its_flag(self):
        result = run("--collector.diskstats.device-include=(")
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.startswith(
            "nodevitals: error: flag '--collector.diskstats.device-include' cannot be '(': "))
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_a_bad_expression_of_a_collector_that_is_off_is_nobodys_concern(self):
        run("collect", "--collector.disable-defaults",
            "--collector.diskstats.device-include=(").check_returncode()

    def test_retired_collectors_keep_their_flags(self):
        result = run("collect", "--collector.disable-defaults", "--collector.ntp",
                     "--collector.ntp.server=127.0.0.1", "--collector.ntp.max-distance=3s",
                     "--no-collector.runit", "--collector.supervisord.url=http://localhost/")
        result.check_returncode()
        self.assertRegex(result.stderr, "collector ntp is not provided")
        self.assertNotIn("runit", result.stderr)


class Collect(unittest.TestCase):
    def test_one_pass_goes_to_standard_output(self):
        result = run("collect", "--collector.disable-defaults", "--collector.loadavg")
        result.check_returncode()
        self.assertIn('node_scrape_collector_success{collector="loadavg"} 1\n', result.stdout)
        self.assertIn("\nnode_load1 ", result.stdout)
        self.assertIn("\nnode_exporter_build_info{", result.stdout)
        self.assertNotIn("process_", result.stdout)

    def test_an_explicit_mention_wins_over_disabled_defaults(self):
        result = run("collect", "--collector.loadavg", "--collector.disable-defaults",
                     "--no-collector.uname")
        self.assertEqual(result.stdout.count("node_scrape_collector_success{"), 1)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            import subprocess
            from harness import BINARY
            result = subprocess.run([BINARY, "collect"], stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("No space left on device", result.stderr)


class CheckMetrics(unittest.TestCase):
    def test_good_text_is_silent(self):
        result = run("check", "metrics", stdin="# HELP a_total Things.\n# TYPE a_total counter\na_total 1\n")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_problems_have_status_3(self):
        result = run("check", "metrics", stdin="# TYPE a_total gauge\na_total 1\n")
        self.assertEqual(result.returncode, 3)
        self.assertIn("a_total", result.stderr)

    def test_what_cannot_be_read_has_status_1(self):
        result = run("check", "metrics", stdin="a{ 1\n")
        self.assertEqual(result.returncode, 1)
        self.assertNotEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
