/*
 * test_template.c - templates of alerts. The outputs and errors of the tables are those of Go's own text/template with
 * Prometheus' functions, run over the same texts.
 */
#include <check.h>

#include "base/buf.h"
#include "config/template.h"
#include "config/yaml.h"
#include "support/fixture.h"

// clang-format off
static const struct {
    const char *text;
    double value;
    const char *output;
} works[] = {
    {"plain text", 1234567.0, "plain text"},
    {"{{ $labels.instance }} of {{ $labels.job }} is {{ $value }}", 1234567.0, "node1.example:9100 of node is 1.234567e+06"},
    {"{{ $value | humanize }}", 1234567.0, "1.235M"},
    {"{{ printf \"%.2f\" $value }} {{ printf \"%d\" $value }} {{ printf \"%s\" $value }} {{ printf \"%v\" 3 }} {{ printf \"%x\" \"hi\" }} {{ printf \"%q\" \"a\\\"b\" }} {{ printf \"%5.1f|%-8s|%08.3f|%+d|% d|%t\" $value \"x\" $value 5 6 true }}", 1.5, "1.50 %!d(float64=1.5) %!s(float64=1.5) 3 6869 \"a\\\"b\"   1.5|x       |0001.500|+5| 6|true"},
    {"{{ printf \"%d %d\" 1 }} {{ printf \"x\" 1 \"a\" }} {{ printf \"%\" }} {{ printf \"%z\" 1 }} {{ printf \"%!\" }} {{ printf \"%5%\" }}", 1234567.0, "1 %!d(MISSING) x%!(EXTRA int=1, string=a) %!(NOVERB) %!z(int=1) %!!(MISSING) %"},
    {"{{ printf \"%.2f\" 3 }} {{ printf \"%d\" \"x\" }} {{ printf \"%t\" 1 }} {{ printf \"%s\" true }} {{ printf \"%d\" nil }} {{ printf \"%v\" nil }}", 1234567.0, "%!f(int=03) %!d(string=x) %!t(int=1) %!s(bool=true) %!d(<nil>) <nil>"},
    {"{{ printf \"%T %T %T %T %T\" 1 1.5 \"a\" true $labels }}", 1234567.0, "int float64 string bool map[string]string"},
    {"{{ printf \"%c %U %q %b %o %O %x %X %#x %08b\" 65 66 67 5 8 8 255 255 255 5 }}", 1234567.0, "A U+0042 'C' 101 10 0o10 ff FF 0xff 00000101"},
    {"{{ printf \"%e %E %g %G %.3g %.10g\" 12345.678 12345.678 1e21 1e-7 12345.678 0.1 }}", 1234567.0, "1.234568e+04 1.234568E+04 1e+21 1E-07 1.23e+04 0.1"},
    {"{{ printf \"%6.2f%%\" 12.345 }} {{ printf \"%-10d|\" 5 }} {{ printf \"%+.2e\" 12345.678 }} {{ printf \"%*d\" 5 42 }} {{ printf \"%.*f\" 2 3.14159 }}", 1234567.0, " 12.35% 5         | +1.23e+04    42 3.14"},
    {"{{ printf \"%v %v\" $labels (args 1 \"x\" 2.5) }}", 1234567.0, "map[instance:node1.example:9100 job:node mountpoint:/] map[arg0:1 arg1:x arg2:2.5]"},
    {"{{ printf \"%s\" $labels }} {{ printf \"%d\" (args 1) }}", 1234567.0, "map[instance:node1.example:9100 job:node mountpoint:/] map[%!d(string=arg0):1]"},
    {"{{ $value | humanizePercentage }} {{ humanize 0 }} {{ humanize 0.00012 }} {{ humanize 1234567890123 }} {{ humanize -5 }} {{ humanize 1e30 }} {{ humanize \"1500\" }}", 0.05, "5% 0 120u 1.235T -5 1e+06Y 1.5k"},
    {"{{ humanize1024 0 }} {{ humanize1024 1 }} {{ humanize1024 1024 }} {{ humanize1024 1048576 }} {{ humanize1024 0.5 }} {{ humanize1024 5e20 }}", 1234567.0, "0 1 1ki 1Mi 0.5 433.7Ei"},
    {"{{ humanizeDuration 0 }} {{ humanizeDuration 1 }} {{ humanizeDuration 59.5 }} {{ humanizeDuration 3600 }} {{ humanizeDuration 86400 }} {{ humanizeDuration 90061 }} {{ humanizeDuration -75 }} {{ humanizeDuration 0.00123 }} {{ \"43200\" | humanizeDuration }} {{ humanizeDuration 899.99 }} {{ humanizeDuration 1e-20 }}", 1234567.0, "0s 1s 59.5s 1h 0m 0s 1d 0h 0m 0s 1d 1h 1m 1s -1m 15s 1.23ms 12h 0m 0s 14m 59s 10zs"},
    {"{{ (toTime 1435065584.128).Format \"15:04:05 Mon Jan 2 2006 PM 03 .000 MST -0700 Z07:00\" }} {{ (toTime 1435065584).Year }} {{ (toTime 0).Unix }} {{ toTime 1.5 }} {{ (toTime 0).Weekday }}", 1234567.0, "13:19:44 Tue Jun 23 2015 PM 01 .128 UTC +0000 Z 2015 0 1970-01-01 00:00:01.5 +0000 UTC Thursday"},
    {"{{ (toTime 1435065584.128).Format \"January 02 _2 1 01 3:4:5 06 002 15h Jan. Monday .999 ,00 -07:00\" }}", 1234567.0, "June 23 23 6 06 1:19:44 15 174 13h Jun. Tuesday .128 ,12 +00:00"},
    {"{{ toDuration 90.5 }} {{ (toDuration 5400).Hours }} {{ (toDuration 0.0015).String }} {{ toDuration 0 }} {{ toDuration -3661 }} {{ printf \"%v %s\" (toDuration 1) (toDuration 0.000001) }} {{ (toDuration 100.4).Round 1000000000 }} {{ (toDuration 0.000000005) }}", 1234567.0, "1m30.5s 1.5 1.5ms 0s -1h1m1s 1s 1µs 1m40s 5ns"},
    {"{{ range query \"up\" }}{{ .Labels.instance }}={{ .Value }};{{ end }}", 1234567.0, "b:1=1;a:1=0.5;c:1=2e+06;"},
    {"{{ range $i, $e := query \"up\" | sortByLabel \"instance\" }}{{ $i }}:{{ $e | label \"instance\" }}={{ $e | value | humanize }} {{ end }}", 1234567.0, "0:a:1=500m 1:b:1=1 2:c:1=2M "},
    {"{{ query \"up\" | first | value }} {{ with query \"none\" }}some{{ else }}none{{ end }} {{ query \"none\" | len }} {{ (query \"up\" | first).Labels.job }}", 1234567.0, "1 none 0 x"},
    {"{{ strvalue (index (query \"up\") 2) }}", 1234567.0, "sv"},
    {"{{ with query \"up\" }}{{ . | first | label \"instance\" }}{{ end }}", 1234567.0, "b:1"},
    {"{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}", 1234567.0, "instance=node1.example:9100,job=node,mountpoint=/,"},
    {"{{ range $v := $labels }}{{ $v }},{{ end }}", 1234567.0, "node1.example:9100,node,/,"},
    {"{{ range 3 }}{{ . }}{{ end }} {{ range $i := 4 }}{{ $i }}{{ if eq $i 2 }}{{ break }}{{ end }}{{ end }} {{ range $i := 4 }}{{ if eq $i 2 }}{{ continue }}{{ end }}{{ $i }}{{ end }}", 1234567.0, "012 012 013"},
    {"{{ range 0 }}x{{ else }}empty{{ end }}", 1234567.0, "empty"},
    {"{{ if eq $labels.job \"node\" }}yes{{ else if eq 1 2 }}no{{ else }}never{{ end }} {{ if false }}a{{ else if true }}b{{ end }} {{ with $labels.nope }}x{{ else with $labels.job }}{{ . }}{{ end }}", 1234567.0, "yes b node"},
    {"{{- \"trim\" -}}   after   {{- /* comment */ -}}   end", 1234567.0, "trimafterend"},
    {"a {{/* c */}} b", 1234567.0, "a  b"},
    {"{{ $x := 1 }}{{ $x = 2 }}{{ $x }} {{ $y := $labels.job }}{{ $y }}{{ if true }}{{ $x = 3 }}{{ $x := 9 }}{{ end }}{{ $x }}", 1234567.0, "2 node3"},
    {"{{ define \"t\" }}[{{ .arg0 }}-{{ .arg1 }}-{{ .arg2 }}]{{ end }}{{ template \"t\" (args $labels.job 5) }}", 1234567.0, "[node-5-<no value>]"},
    {"{{ block \"b\" $labels }}<{{ .job }}>{{ end }}", 1234567.0, "<node>"},
    {"{{ define \"r\" }}{{ template \"r\" }}{{ end }}ok", 1234567.0, "ok"},
    {"{{ and 1 0 2 }} {{ or 0 \"\" \"x\" }} {{ not true }} {{ and true $labels.job }} {{ or false nil }}", 1234567.0, "0 x false node <no value>"},
    {"{{ len \"abc\" }} {{ len $labels }} {{ index $labels \"job\" }} {{ index $labels \"zip\" }} {{ index \"abc\" 1 }} {{ slice \"abcdef\" 1 3 }} {{ slice \"abc\" 1 }}", 1234567.0, "3 3 node  98 bc bc"},
    {"{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne \"a\" \"b\" }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.2 }} {{ ge \"b\" \"a\" }} {{ eq $value 1234567.0 }}", 1234567.0, "true true true true true true true true"},
    {"{{ print 1 2 \"a\" 3 }} {{ print \"a\" \"b\" }} {{ println 1 \"x\" }}{{ print nil }} {{ print $labels.none }}|", 1234567.0, "1 2a3 ab 1 x\n<nil> |"},
    {"{{ html \"<a href='x'>&\\\"\" }} {{ js \"it's <b> \\\"x\\\" \\\\ =&\" }} {{ urlquery \"a b&c/d?é\" }} {{ urlQueryEscape \"up{a=\\\"b\\\"} + 1\" }}", 1234567.0, "&lt;a href=&#39;x&#39;&gt;&amp;&#34; it\\'s \\u003Cb\\u003E \\\"x\\\" \\\\ \\u003D\\u0026 a+b%26c%2Fd%3F%C3%A9 up%7Ba%3D%22b%22%7D+%2B+1"},
    {"{{ .Labels.job }} {{ .ExternalLabels.cluster }} {{ $externalLabels.cluster }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }} {{ .Value }} {{ .ExternalURL }}", 1234567.0, "node c1 c1 http://ext.example/pre/fix http://ext.example/pre/fix /pre/fix 1.234567e+06 http://ext.example/pre/fix"},
    {"{{ `raw {{ }} \\n` }}", 1234567.0, "raw {{ }} \\n"},
    {"{{ . | }}", 1234567.0, "{map[instance:node1.example:9100 job:node mountpoint:/] map[cluster:c1] http://ext.example/pre/fix 1.234567e+06}"},
    {"{{ true }} {{ 'a' }} {{ 0x1F }} {{ 1_000 }} {{ 1e3 }} {{ 0b101 }} {{ 0o17 }} {{ -5 }} {{ +5 }} {{ 1.50 }} {{ .5 }} {{ 017 }}", 1234567.0, "true 97 31 1000 1000 5 15 -5 5 1.5 0.5 15"},
    {"{{ (\"a\") }} {{ (printf \"%d\" 5) | printf \"%s-%s\" \"x\" }}", 1234567.0, "a x-5"},
    {"{{ title \"hello wörld foo-bar_baz 3d\" }} {{ toUpper \"grüße\" }} {{ toLower \"ÀÉÎ ABC\" }} {{ title \"éa b\" }}", 1234567.0, "Hello Wörld Foo-Bar_baz 3d GRÜßE àéî abc Éa B"},
    {"{{ match \"a.*b\" \"xxaYYbzz\" }} {{ match \"^b\" \"ab\" }} {{ reReplaceAll \"(.*):.*\" \"$1\" \"host:80\" }} {{ reReplaceAll \"a\" \"b\" \"banana\" }} {{ reReplaceAll \"x*\" \"-\" \"abc\" }} {{ reReplaceAll \"^a\" \"-\" \"aaa\" }} {{ reReplaceAll \"b*\" \"-\" \"abbc\" }} {{ reReplaceAll \"(?P<n>\\\\d+)\" \"<${n}>\" \"a12b3\" }} {{ reReplaceAll \"\\\\b\" \"|\" \"ab cd\" }} {{ reReplaceAll \"é|\" \"_\" \"aéb\" }} {{ reReplaceAll \"$\" \"!\" \"x\" }} {{ reReplaceAll \"\" \"-\" \"\" }}", 1234567.0, "true false host bbnbnb -a-b-c- -aa -a-c- a<12>b<3> |ab| |cd| _a_b_ x! -"},
    {"{{ stripPort \"host:80\" }} {{ stripPort \"host\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"a:b:c\" }} {{ stripDomain \"host.example.com:80\" }} {{ stripDomain \"host.example.com\" }} {{ stripDomain \"10.0.0.1:80\" }} {{ stripDomain \"[::1]:80\" }} {{ stripDomain \"host\" }} {{ stripDomain \"a.b:\" }}", 1234567.0, "host host ::1 a:b:c host:80 host 10.0.0.1:80 [::1]:80 host a"},
    {"{{ graphLink \"up == 0\" }} {{ tableLink \"a{b=\\\"c\\\"}\" }} {{ safeHtml \"<b>\" }}", 1234567.0, "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=a%7Bb%3D%22c%22%7D&g0.tab=1 <b>"},
    {"{{ $value }} {{ 100000.0 }} {{ 999999.0 }} {{ 1000000.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1e100 }}", 1000000.0, "1e+06 100000 999999 1e+06 0.0001 1e-05 1e+100"},
    {"{{ humanizeDuration 5e20 }}", 1e+300, "-106751991167300d -15h -30m -8s"},
    {"{{ now | humanizeTimestamp }} {{ now }}", 1234567.0, "1970-01-15 06:56:07.89 +0000 UTC 1.23456789e+06"},
    {"{{$value}}{{   $value   }}{{- $value -}} x", 1234567.0, "1.234567e+061.234567e+061.234567e+06x"},
    {"{{ $labels }} {{ args 1 \"a\" nil }} {{ (args 1).arg5 }} {{ args }}", 1234567.0, "map[instance:node1.example:9100 job:node mountpoint:/] map[arg0:1 arg1:a arg2:<nil>] <no value> map[]"},
    {"{{ if $labels.job }}J{{ end }}{{ if $labels.none }}N{{ end }}{{ if 0.0 }}Z{{ end }}{{ if $labels }}L{{ end }}", 1234567.0, "JL"},
    {"{{ $labels.jöb }}", 1234567.0, ""},
    {"{{ $value }} {{ printf \"%g %v %.1f\" $value $value $value }} {{ humanize $value }}", -0.0, "-0 -0 -0 -0.0 -0"},
    {"{{ humanizePercentage (query \"up\" | first | value) }}", 1234567.0, "100%"},
    {"{{ eq \"a\" nil }} {{ eq nil nil }} {{ ne nil 1 }}", 1234567.0, "false true true"},
    {"{{ \"a\" | title | toUpper | printf \"%s-%s\" \"b\" }}", 1234567.0, "b-A"},
};

static const struct {
    const char *text, *error;
} unparsable[] = {
    {"{{ $label.foo }}", "1: undefined variable \"$label\""},
    {"{{ nofunc 1 }}", "1: function \"nofunc\" not defined"},
    {"{{ \"unterminated }}", "1: unterminated quoted string"},
    {"{{ if }}x{{ end }}", "1: missing value for if"},
    {"{{ if true }}x", "1: unexpected EOF"},
    {"{{ end }}", "1: unexpected {{end}}"},
    {"{{ else }}", "1: unexpected {{else}}"},
    {"{{ range $labels }}{{ end }", "1: unexpected \"}\" in end"},
    {"{{ | . }}", "1: unexpected \"|\" in command"},
    {"{{ 1 | 2 }}", "1: non executable command in pipeline stage 2"},
    {"{{ $labels.job | 5 }}", "1: non executable command in pipeline stage 2"},
    {"{{ 99999999999999999999 }}", "1: integer overflow: \"99999999999999999999\""},
    {"{{ 1a }}", "1: bad number syntax: \"1a\""},
    {"{{ \"a\".b }}", "1: unexpected . after term \"\\\"a\\\"\""},
    {"{{ with $x := 5 }}{{ $x }}{{ . }}{{ end }}{{ $x }}", "1: undefined variable \"$x\""},
    {"{{ range $i, $x, $y := $labels }}{{ end }}", "1: too many declarations in range"},
    {"{{ $a, $b := $labels }}", "1: too many declarations in command"},
    {"{{ break }}", "1: {{break}} outside {{range}}"},
    {"{{ range $labels }}{{ break 5 }}{{ end }}", "1: unexpected \"5\" in {{break}}"},
    {"{{ define \"x\" }}a{{ end }}{{ define \"x\" }}b{{ end }}", "1: template: multiple definition of template \"x\""},
    {"{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}", "1: unexpected <define> in command"},
    {"{{ ( }}", "1: unclosed left paren"},
    {"{{ ) }}", "1: unexpected right paren"},
    {"{{ (1 }}", "1: unclosed left paren"},
    {"{{ % }}", "1: unexpected \"%\" in command"},
    {"{{ € }}", "1: unrecognized character in action: U+20AC '€'"},
    {"{{ \"\\x\" }}", "1: invalid syntax"},
    {"{{ '' }}", "1: invalid syntax"},
    {"{{/* unclosed", "1: unclosed comment"},
    {"{{/* x */ y}}", "1: comment ends before closing delimiter"},
    {"{{ template x }}", "1: unexpected \"x\" in template clause"},
    {"{{ end extra }}", "1: unexpected \"extra\" in end"},
    {"{{ if true }}{{ else }}{{ else }}{{ end }}", "1: expected end; found {{else}}"},
    {"line1\nline2 {{ $labels.job\n}} {{ nofunc }}", "3: function \"nofunc\" not defined"},
    {"line1\n{{ printf \"x\"\n | nofunc }}", "3: function \"nofunc\" not defined"},
    {"line1\n{{ printf\n \"x", "3: unterminated quoted string in action started at __alert_A:2"},
};

static const struct {
    const char *text, *error;
} failing[] = {
    {"{{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp 0 }} {{ humanizeTimestamp -1.5 }} {{ humanizeTimestamp 1e18 }}", "1:209: executing \"__alert_A\" at <humanizeTimestamp 1e18>: error calling humanizeTimestamp: 1e+18 cannot be represented as a nanoseconds timestamp since it overflows int64"},
    {"{{ humanize \"abc\" }}", "1:115: executing \"__alert_A\" at <humanize \"abc\">: error calling humanize: strconv.ParseFloat: parsing \"abc\": invalid syntax"},
    {"{{ humanize true }}", "1:115: executing \"__alert_A\" at <humanize true>: error calling humanize: can't convert bool to float"},
    {"{{ humanize nil }}", "1:115: executing \"__alert_A\" at <humanize nil>: error calling humanize: can't convert <nil> to float"},
    {"{{ query \"none\" | first | value }}", "1:130: executing \"__alert_A\" at <first>: error calling first: first() called on vector with no elements"},
    {"{{ query \"bad\" }}", "1:115: executing \"__alert_A\" at <query \"bad\">: error calling query: query failed"},
    {"{{ range $i, $e := 3 }}{{ end }}", "1:131: executing \"__alert_A\" at <3>: can't use 3 to iterate over more than one variable"},
    {"{{ range \"abc\" }}{{ end }}", "1:121: executing \"__alert_A\" at <\"abc\">: range can't iterate over abc"},
    {"{{ template \"nope\" }}", "1:124: executing \"__alert_A\" at <{{template \"nope\"}}>: template \"nope\" not defined"},
    {"{{ and }}", "1:115: executing \"__alert_A\" at <and>: wrong number of args for and: want at least 1 got 0"},
    {"{{ len 5 }}", "1:115: executing \"__alert_A\" at <len 5>: error calling len: len of type int"},
    {"{{ index $labels 5 }}", "1:115: executing \"__alert_A\" at <index $labels 5>: error calling index: value has type int; should be string"},
    {"{{ index \"abc\" 9 }}", "1:115: executing \"__alert_A\" at <index \"abc\" 9>: error calling index: index out of range: 9"},
    {"{{ slice \"abc\" 2 1 }}", "1:115: executing \"__alert_A\" at <slice \"abc\" 2 1>: error calling slice: invalid slice index: 2 > 1"},
    {"{{ index 5 1 }}", "1:115: executing \"__alert_A\" at <index 5 1>: error calling index: can't index item of type int"},
    {"{{ eq 1 1.0 }}", "1:115: executing \"__alert_A\" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64"},
    {"{{ lt 1 \"a\" }}", "1:115: executing \"__alert_A\" at <lt 1 \"a\">: error calling lt: incompatible types for comparison: int and string"},
    {"{{ lt true false }}", "1:115: executing \"__alert_A\" at <lt true false>: error calling lt: invalid type for comparison"},
    {"{{ eq $labels $labels }}", "1:115: executing \"__alert_A\" at <eq $labels $labels>: error calling eq: non-comparable type map[instance:node1.example:9100 job:node mountpoint:/]: map[string]string"},
    {"{{ eq 1 }}", "1:115: executing \"__alert_A\" at <eq 1>: error calling eq: missing argument for comparison"},
    {"{{ $labels.job.foo }}", "1:122: executing \"__alert_A\" at <$labels.job.foo>: can't evaluate field foo in type string"},
    {"{{ .Nope }}", "1:115: executing \"__alert_A\" at <.Nope>: can't evaluate field Nope in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
    {"{{ $.labels.service }}", "1:116: executing \"__alert_A\" at <$.labels.service>: can't evaluate field labels in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
    {"{{ printf }}", "1:115: executing \"__alert_A\" at <printf>: wrong number of args for printf: want at least 1 got 0"},
    {"{{ humanize }}", "1:115: executing \"__alert_A\" at <humanize>: wrong number of args for humanize: want 1 got 0"},
    {"{{ humanize 1 2 }}", "1:115: executing \"__alert_A\" at <humanize>: wrong number of args for humanize: want 1 got 2"},
    {"{{ title 5 }}", "1:121: executing \"__alert_A\" at <5>: expected string; found 5"},
    {"{{ title $value }}", "1:121: executing \"__alert_A\" at <$value>: wrong type for value; expected string; got float64"},
    {"{{ label \"a\" \"b\" }}", "1:125: executing \"__alert_A\" at <\"b\">: can't handle \"b\" for arg of type *template.sample"},
    {"{{ first \"x\" }}", "1:121: executing \"__alert_A\" at <\"x\">: can't handle \"x\" for arg of type template.queryResult"},
    {"{{ label \"a\" (first (query \"up\")) \"z\" }}", "1:115: executing \"__alert_A\" at <label>: wrong number of args for label: want 2 got 3"},
    {"{{ nil }}", "1:115: executing \"__alert_A\" at <nil>: nil is not a command"},
    {"{{ $labels.job \"x\" }}", "1:122: executing \"__alert_A\" at <$labels.job>: job is not a method but has arguments"},
    {"{{ (index $labels \"job\").x }}", "1:130: executing \"__alert_A\" at <\"job\">: can't evaluate field x in type string"},
    {"{{ match \"(\" \"x\" }}", "1:115: executing \"__alert_A\" at <match \"(\" \"x\">: error calling match: error parsing regexp: missing closing ): `(`"},
    {"{{ reReplaceAll \"(\" \"x\" \"y\" }}", "1:115: executing \"__alert_A\" at <reReplaceAll \"(\" \"x\" \"y\">: error calling reReplaceAll: regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"},
    {"{{ call 5 }}", "1:115: executing \"__alert_A\" at <call 5>: error calling call: non-function 5 of type int"},
    {"{{ template \"x\" 1 2 }}", "1:124: executing \"__alert_A\" at <{{template \"x\" 1 2}}>: template \"x\" not defined"},
    {"{{ range $x = $labels }}{{ end }}", "1:126: executing \"__alert_A\" at <$labels>: undefined variable: $x"},
    {"{{ $x = 1 }}{{ $x }}", "1:120: executing \"__alert_A\" at <1>: undefined variable: $x"},
    {"line1\n{{ .Nope }}", "2:3: executing \"__alert_A\" at <.Nope>: can't evaluate field Nope in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"},
    {"{{ $value.Foo }}", "1:121: executing \"__alert_A\" at <$value.Foo>: can't evaluate field Foo in type float64"},
    {"{{ $labels.job.Format \"x\" }}", "1:122: executing \"__alert_A\" at <$labels.job.Format>: can't evaluate field Format in type string"},
    {"{{ 3 | printf \"%d-%d\" 1 }} {{ \"x\" | $labels.job }}", "1:155: executing \"__alert_A\" at <$labels.job>: job is not a method but has arguments"},
    {"{{ (toTime 0).Format }}", "1:123: executing \"__alert_A\" at <0>: wrong number of args for Format: want 1 got 0"},
};
// clang-format on

static const struct nv_label labels[] = {
    {NV_LIT("instance"),   NV_LIT("node1.example:9100")},
    {NV_LIT("job"),        NV_LIT("node")              },
    {NV_LIT("mountpoint"), NV_LIT("/")                 },
};
static const struct nv_label external[] = {
    {NV_LIT("cluster"), NV_LIT("c1")}
};

static const struct nv_label up_b[] = {
    {NV_LIT("__name__"), NV_LIT("up") },
    {NV_LIT("instance"), NV_LIT("b:1")},
    {NV_LIT("job"),      NV_LIT("x")  }
};
static const struct nv_label up_a[] = {
    {NV_LIT("__name__"), NV_LIT("up") },
    {NV_LIT("instance"), NV_LIT("a:1")},
    {NV_LIT("job"),      NV_LIT("x")  }
};
static const struct nv_label up_c[] = {
    {NV_LIT("__name__"),  NV_LIT("up") },
    {NV_LIT("__value__"), NV_LIT("sv") },
    {NV_LIT("instance"),  NV_LIT("c:1")},
    {NV_LIT("job"),       NV_LIT("w")  }
};

static int query(void *user, struct nv_str expression, int64_t time_ms, struct nv_arena *memory,
                 const struct nv_template_sample **ret, size_t *ret_n,
                 char error[NV_TEMPLATE_ERROR_MAX])
{
    static const struct nv_template_sample samples[] = {
        {up_b, 3, 1,   NULL},
        {up_a, 3, 0.5, NULL},
        {up_c, 4, 2e6, NULL},
    };

    (void)user;
    (void)memory;
    ck_assert_int_eq(time_ms, 1234567890);
    if (!nv_str_is(expression, "up") && !nv_str_is(expression, "none")) {
        snprintf(error, NV_TEMPLATE_ERROR_MAX, "query failed");
        return -EINVAL;
    }
    *ret = samples;
    *ret_n = nv_str_is(expression, "up") ? 3 : 0;
    return 0;
}

static const struct nv_template_context context = {
    .time_ms = 1234567890, .external_url = NV_LIT("http://ext.example/pre/fix"), .query = query};

static struct nv_buf out;
static char error[NV_TEMPLATE_ERROR_MAX];

static void begin(void)
{
    out = NV_BUF(8 << 20);
    error[0] = '\0';
}

static void end(void)
{
    nv_buf_done(&out);
}

/* Parses and executes. */
static int expand(struct nv_str text, double value)
{
    const struct nv_template_alert alert = {labels,           external, NV_LEN(labels),
                                            NV_LEN(external), value,    NULL};
    NV_AUTO(nv_template) *template_ = NULL;
    int r = nv_template_new_alert(NV_LIT("A"), text, &template_, error);

    return r < 0 ? r : nv_template_execute_alert(template_, &context, &alert, &out, error);
}

START_TEST(templates_write_what_go_writes)
{
    ck_assert_msg(expand(nv_str(works[_i].text), works[_i].value) == 0, "%s: %s", works[_i].text,
                  error);
    ck_assert_str_eq(nv_buf_c_string(&out), works[_i].output);
}
END_TEST

START_TEST(what_cannot_be_parsed_is_refused_in_gos_words)
{
    ck_assert_int_eq(expand(nv_str(unparsable[_i].text), 1), -EINVAL);
    ck_assert_msg(strncmp(error, "template: __alert_A:", 20) == 0, "%s", error);
    ck_assert_str_eq(error + 20, unparsable[_i].error);
}
END_TEST

START_TEST(what_fails_while_executed_writes_nothing_and_says_where)
{
    const char *before = "error executing template __alert_A: template: __alert_A:";

    ck_assert_int_eq(expand(nv_str(failing[_i].text), 1234567), -EINVAL);
    ck_assert_msg(strncmp(error, before, strlen(before)) == 0, "%s", error);
    ck_assert_str_eq(error + strlen(before), failing[_i].error);
    ck_assert_uint_eq(out.n, 0);
}
END_TEST

START_TEST(parsing_goes_by_the_alert_s_name)
{
    NV_AUTO(nv_template) *template_ = NULL;

    ck_assert_int_eq(nv_template_new_alert(NV_LIT("Down"), NV_LIT("{{ nope }}"), &template_, error),
                     -EINVAL);
    ck_assert_str_eq(error, "template: __alert_Down:1: function \"nope\" not defined");
}
END_TEST

START_TEST(text_without_actions_is_plain)
{
    NV_AUTO(nv_template) *plain = NULL, *empty = NULL, *other = NULL;

    ck_assert_int_eq(nv_template_new_alert(NV_LIT("A"), NV_LIT("a } b"), &plain, error), 0);
    ck_assert_int_eq(nv_template_new_alert(NV_LIT("A"), NV_LIT(""), &empty, error), 0);
    ck_assert_int_eq(nv_template_new_alert(NV_LIT("A"), NV_LIT("a{{ 1 }}"), &other, error), 0);
    ck_assert(nv_template_is_plain(plain));
    ck_assert(nv_template_is_plain(empty));
    ck_assert(!nv_template_is_plain(other));
    ck_assert_int_eq(expand(NV_LIT("a } b"), 1), 0);
    ck_assert_str_eq(nv_buf_c_string(&out), "a } b");
}
END_TEST

static const struct {
    const char *text, *error;
} endless[] = {
    {"{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}",
     "exceeded maximum template depth"                                                                                             },
    {"{{ define \"r\" }}{{ if true }}{{ template \"r\" }}{{ end }}{{ end }}{{ template \"r\" }}",
     "exceeded maximum template depth"                                                                                             },
    {"{{ range 1000000000 }}{{ end }}",                                                           "more than 1048576 steps"        },
    {"{{ range 100000 }}twenty bytes of text{{ end }}",                                           "more than 1048576 bytes of out" },
    {"{{ $x := \"ab\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",                          "more than "                     },
    {"{{ $x := 1 }}{{ range 64 }}{{ $x = args $x $x }}{{ end }}{{ $x }}",                         "more than "                     },
    {"{{ $x := 1 }}{{ range 64 }}{{ $x = args $x $x }}{{ end }}{{ printf \"%d\" $x }}",
     "more than "                                                                                                                  },
    {"{{ range 100000 }}{{ $x := query \"up\" }}{{ end }}",                                       "more than 16777216 bytes of val"},
};

START_TEST(what_has_no_end_is_ended)
{
    ck_assert_int_eq(expand(nv_str(endless[_i].text), 1), -EINVAL);
    ck_assert_msg(strstr(error, endless[_i].error) != NULL, "%s", error);
    ck_assert_uint_eq(out.n, 0);
}
END_TEST

START_TEST(a_list_may_be_long)
{
    ck_assert_int_eq(
        expand(NV_LIT("{{ range 50000 }}{{ if eq (len (print .)) 1 }}x{{ end }}{{ end }}"), 1), 0);
    ck_assert_str_eq(nv_buf_c_string(&out), "xxxxxxxxxx");
}
END_TEST

/* n times `open`, a 1, n times `close`. */
static void nest(struct nv_buf *text, size_t n, const char *open, const char *close)
{
    nv_buf_text(text, "{{ ");
    for (size_t i = 0; i < n; i++)
        nv_buf_text(text, open);
    nv_buf_text(text, "1");
    for (size_t i = 0; i < n; i++)
        nv_buf_text(text, close);
    nv_buf_text(text, " }}");
}

START_TEST(depth_is_bounded)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    nest(&text, 90, "(", ")");
    ck_assert_int_eq(expand(nv_buf_view(&text), 1), 0);
    nv_buf_reset(&text);
    nest(&text, 10000, "(", ")");
    ck_assert_int_eq(expand(nv_buf_view(&text), 1), -EINVAL);
    ck_assert_msg(strstr(error, "nested more than 100 levels deep") != NULL, "%s", error);
    nv_buf_reset(&text);
    nv_buf_text(&text, "{{ $labels");
    for (int i = 0; i < 10000; i++)
        nv_buf_text(&text, ".a");
    nv_buf_text(&text, " }}");
    ck_assert_int_eq(expand(nv_buf_view(&text), 1), -EINVAL);
    ck_assert_msg(strstr(error, "more than 256 fields") != NULL, "%s", error);
    nv_buf_reset(&text);
    for (int i = 0; i < 10000; i++)
        nv_buf_text(&text, "{{if true}}{{else if true}}");
    ck_assert_int_eq(expand(nv_buf_view(&text), 1), -EINVAL);
}
END_TEST

/* Go prints a native histogram so. */
START_TEST(a_native_histogram_is_shown_by_its_buckets)
{
    static const struct nv_span positive[] =
        {
            {0, 2},
            {1, 1}
    },
                                negative[] = {{0, 2}};
    static const double counts[] = {1, 2, 3}, below[] = {4, 5};
    const struct nv_histogram h = {.schema = 0,
                                   .zero_threshold = 0.001,
                                   .zero_count = 1,
                                   .count = 16,
                                   .sum = 18.4,
                                   .positive_spans = positive,
                                   .n_positive_spans = 2,
                                   .positive = counts,
                                   .n_positive = 3,
                                   .negative_spans = negative,
                                   .n_negative_spans = 1,
                                   .negative = below,
                                   .n_negative = 2};
    const struct nv_template_alert alert = {.histogram = &h};
    NV_AUTO(nv_template) *template_ = NULL;

    ck_assert_int_eq(nv_template_new_alert(NV_LIT("A"), NV_LIT("{{ $value }}"), &template_, error),
                     0);
    ck_assert_int_eq(nv_template_execute_alert(template_, &context, &alert, &out, error), 0);
    ck_assert_str_eq(nv_buf_c_string(&out), "{count:16, sum:18.4, [-2,-1):5, [-1,-0.5):4, "
                                            "[-0.001,0.001]:1, (0.5,1]:1, (1,2]:2, (4,8]:3}");
}
END_TEST

START_TEST(a_text_cut_anywhere_is_expanded_or_refused)
{
    const char *text = works[_i].text;

    for (size_t n = 0; n < strlen(text); n++) {
        NV_AUTO_FREE char *copy = malloc(n + 1); /* so that a sanitizer sees its end */
        memcpy(copy, text, n);
        int r = expand((struct nv_str){copy, n}, works[_i].value);
        ck_assert(r == 0 || (r == -EINVAL && error[0]));
        nv_buf_reset(&out);
    }
}
END_TEST

/* ---- rule files people use ------------------------------------------------------------------ */

static const struct {
    const char *name;
    size_t n_templates;
} real_files[] = {
    {"kube-prometheus-general.yaml", 2 },
    {"kube-state-metrics.yaml",      0 },
    {"kubernetes-node.yaml",         40},
    {"node-exporter.yaml",           20},
};

/* Templates of theirs that Prometheus itself cannot expand either: the dot has Labels, not labels. */
static bool fails_upstream(const char *text)
{
    return strstr(text, "$.labels.") != NULL;
}

static size_t expand_all(const struct nv_yaml *node)
{
    size_t n = 0;

    if (node->kind == NV_YAML_SCALAR) {
        if (!nv_str_contains(node->text, "{{"))
            return 0;
        nv_buf_reset(&out);
        int r = expand(node->text, 0.25);
        if (fails_upstream(node->text.p))
            ck_assert_msg(strstr(error, "can't evaluate field labels") != NULL, "%s", error);
        else
            ck_assert_msg(r == 0, "%s: %s", node->text.p, error);
        return 1;
    }
    for (size_t i = 0; i < node->n; i++)
        n += expand_all(node->kind == NV_YAML_LIST ? node->items[i] : node->pairs[i].value);
    return n;
}

START_TEST(templates_of_published_rules_expand)
{
    struct nv_arena memory = NV_ARENA(64 << 20);
    char path[512], problem[NV_YAML_ERROR_MAX];
    const struct nv_yaml *root = NULL;
    struct nv_str text;

    snprintf(path, sizeof(path), NV_SHARED_DIR "/fixtures/rules-real/%s", real_files[_i].name);
    if (access(path, R_OK) < 0) {
        fprintf(stderr, "skipped: %s is not here\n", path);
        return;
    }
    ck_assert_int_eq(nv_config_read_file(path, &memory, &text, problem), 0);
    ck_assert_int_eq(nv_yaml_parse(path, text, &memory, &root, problem), 0);
    ck_assert_uint_ge(expand_all(root), real_files[_i].n_templates);
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/template");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_loop_test(all, templates_write_what_go_writes, 0, NV_LEN(works));
    tcase_add_loop_test(all, what_cannot_be_parsed_is_refused_in_gos_words, 0, NV_LEN(unparsable));
    tcase_add_loop_test(all, what_fails_while_executed_writes_nothing_and_says_where, 0,
                        NV_LEN(failing));
    tcase_add_test(all, parsing_goes_by_the_alert_s_name);
    tcase_add_test(all, text_without_actions_is_plain);
    tcase_add_loop_test(all, what_has_no_end_is_ended, 0, NV_LEN(endless));
    tcase_add_test(all, a_list_may_be_long);
    tcase_add_test(all, depth_is_bounded);
    tcase_add_test(all, a_native_histogram_is_shown_by_its_buckets);
    tcase_add_loop_test(all, a_text_cut_anywhere_is_expanded_or_refused, 0, NV_LEN(works));
    tcase_add_loop_test(all, templates_of_published_rules_expand, 0, NV_LEN(real_files));
    tcase_set_timeout(all, 120);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
