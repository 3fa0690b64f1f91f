"""Templates: expected texts are those of Go's text/template and Prometheus' documentation and tests."""

from __future__ import annotations

import pytest

from alerting.gotemplates.execute import MAX_OUTPUT, compile_template
from alerting.gotemplates.functions import of_evaluation, title_of_alertmanager, title_of_prometheus
from alerting.gotemplates.syntax import TemplateError
from alerting.gotemplates.values import KeyValues, Labels, go_float

DATA = {"Labels": KeyValues(instance="a:9090", job="ü"), "Value": 0.25, "Items": [1, 2, 3], "None": []}
VARIABLES = {"$labels": Labels(instance="a:9090", job="ü"), "$value": 0.25}
FUNCTIONS = of_evaluation(lambda _text: [], "https://example.org/spanloom")


def render(text: str) -> str:
    return compile_template(text, FUNCTIONS, variables=VARIABLES).render(DATA, FUNCTIONS, variables=VARIABLES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{ $labels.job }}: {{ $value }}", "ü: 0.25"),
        ("{{ $labels.missing }}|{{ .Labels.instance }}", "|a:9090"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("a{{/* a comment */}}b", "ab"),
        ('{{ if eq $labels.job "ü" }}yes{{ else }}no{{ end }}', "yes"),
        ("{{ if gt $value 1.0 }}a{{ else if gt $value 0.2 }}b{{ else }}c{{ end }}", "b"),
        ("{{ range $i, $x := .Items }}{{ $i }}:{{ $x }} {{ end }}", "0:1 1:2 2:3 "),
        ("{{ range .Items }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "13"),
        ("{{ range .Items }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", "1"),
        ("{{ range .None }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ with .Labels.job }}<{{ . }}>{{ end }}", "<ü>"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ end }}{{ $x }}", "2"),
        ('{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" $value }}', "[0.25]"),
        ("{{ and true 0 }} {{ or 0 2 }} {{ not 1 }}", "0 2 false"),
        ("{{ or true (index .Items 99) }}", "true"),
        (r"{{ 'a' }} {{ '\n' }} {{ '\x41' }} {{ '\u00e9' }} {{ '\'' }} {{ '\\' }}", "97 10 65 233 39 92"),
        ("{{ 3 | and }} {{ 0 | and 2 }} {{ 4 | or 0 }}", "3 0 4"),
        ('{{ printf "%s %5.1f %q %d%% %-4s|" "a" 2.25 "q" 7 "b" }}', 'a   2.2 "q" 7% b   |'),
        ('{{ printf "%d" "x" }}', "%!d(x)"),
        ('{{ (index .Items 1) }} {{ len .Items }} {{ print "a" 1 }}', "2 3 a1"),
        ("{{ .Labels.SortedPairs.Values }}", "[a:9090 ü]"),
        ('{{ "host:80" | stripPort }} {{ "AbC" | toLower }} {{ "ab cd" | title }}', "host abc Ab Cd"),
        ('{{ reReplaceAll "(a)(b)" "$2$1" "abab" }} {{ match "a.*" "cab" }}', "baba true"),
        ("{{ humanize 1234567.0 }} {{ humanize 0.00012 }} {{ humanize 0 }}", "1.235M 120u 0"),
        ("{{ humanize1024 1048576.0 }}", "1Mi"),
        (
            "{{ humanizeDuration 86461 }} {{ humanizeDuration 0.1234567 }} {{ humanizeDuration -3661.5 }}",
            "1d 0h 1m 1s 123.5ms -1h 1m 1s",
        ),
        ("{{ humanizeDuration 1.5 }} {{ humanizeDuration 0 }}", "1.5s 0s"),
        ("{{ humanizePercentage 0.1234567 }}", "12.35%"),
        ('{{ "[::1]:80" | stripPort }} {{ stripPort "::1" }} {{ stripPort "a" }}', "::1 ::1 a"),
        ('{{ stripDomain "a.b.c:80" }} {{ stripDomain "a.b" }} {{ stripDomain "10.0.0.1:80" }}', "a:80 a 10.0.0.1:80"),
        ("{{ externalURL }} {{ pathPrefix }}", "https://example.org/spanloom /spanloom"),
        ('{{ graphLink "up > 1" }} {{ tableLink "up" }}', "/graph?g0.expr=up+%3E+1&g0.tab=0 /graph?g0.expr=up&g0.tab=1"),
        ('{{ parseDuration "1h30m" }} {{ with args 1 "b" }}{{ .arg0 }}{{ .arg1 }}{{ end }}', "5400 1b"),
        ("{{ toTime 1435065584.128 }} {{ (toTime 1435065584).Year }}", "2015-06-23 13:19:44.128 +0000 UTC 2015"),
        ('{{ (toTime 1435065584).Format "Mon Jan 02 15:04:05 2006 MST" }}', "Tue Jun 23 13:19:44 2015 UTC"),
        ("{{ $labels.Remove }}{{ $labels.SortedPairs }}|", "|"),
        ("{{ range .Items }}{{ with $x := . }}{{ $x }}{{ else }}{{ $x }}{{ end }}{{ end }}", "123"),
        ("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"),
    ],
)
def test_text_is_rendered_as_go_does(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ nosuch }}", 'function "nosuch" not defined'),
        ("{{ $none }}", 'undefined variable "$none"'),
        ("{{ $label.job }}", 'undefined variable "$label"'),
        ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", 'undefined variable "$x"'),
        ('{{ define "t" }}{{ $value }}{{ end }}', 'undefined variable "$value"'),
        ("{{ break }}", "{{break}} outside {{range}}"),
        ('{{ range .Items }}{{ define "t" }}{{ continue }}{{ end }}{{ end }}', "{{continue}} outside {{range}}"),
        ("{{ range .None }}{{ else }}{{ break }}{{ end }}", "{{break}} outside {{range}}"),
        ('{{ "\\ud800" }}', "surrogates not allowed"),
        ("{{ .Labels.Remove }}", "error calling method"),
        ("{{ $labels.job 1 }}", "can't give argument to non-function"),
        ("{{ .Labels.SortedPairs 1 }}", "error calling method"),
        ("{{ if 1 }}" + "{{ else if 1 }}" * 3000 + "{{ end }}", "too many {{else if}}"),
        (
            '{{ define "t" }}' + "{{ if 1 }}" * 45 + '{{ template "t" }}' + "{{ end }}" * 46 + '{{ template "t" }}',
            "too deep",
        ),
        ("{{ toTime 1e300 }}", "is no date"),
        ("{{ if }}x{{ end }}", "missing value"),
        ("{{ if true }}x", "no {{end}}"),
        ("x{{ end }}", "unexpected {{end}}"),
        ("a\nb {{ 1", "unclosed action"),
        ("{{" + '"' * 65_001, "unclosed action"),
        ("{{ `" + "`a`" * 20_000, "unclosed action"),
        ('{{"{{"' * 10_000, "unclosed action"),
        ("a\n{{ ( }}", "line 2"),
        ("{{ .Nothing }}", 'no field "Nothing"'),
        ("{{ index .Items 99 }}", "error calling index"),
        ('{{ template "none" }}', 'template "none" not defined'),
        ('{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', "exceeded maximum template depth"),
        ("{{ '\x00' }}", "null bytes"),
        ("{{ '\\x4' }}", "constant '\\x4'"),
        ("{{ '\\q' }}", "constant '\\q': unknown escape sequence \\q"),
        ("{{ 'ab' }}", "unexpected"),
        ("{{ '\\na' }}", "malformed character constant: '\\na'"),
        (r'{{ "\N{DIGIT ONE}" }}', r"unknown escape sequence \N"),
        ("{{ 'a\n' }}", "unexpected"),
        ("{{ and }}", "wrong number of args for and: want at least 1 got 0"),
        ("{{ print or }}", "wrong number of args for or: want at least 1 got 0"),
        ('{{ reReplaceAll "" and }}', "wrong number of args for and"),
        ("{{ range 65536 }}{{ range 65536 }}{{ end }}{{ end }}", "more than 1000000 steps"),
        ('{{ lt 1 "a" }}', "incompatible types"),
        ("{{ if true }}" * 60 + "{{ end }}" * 60, "nested deeper"),
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", "nested deeper"),
    ],
)
def test_what_is_wrong_is_reported(text: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"), (1e20, "100000000000000000000"), (0.0001, "0.0001"), (0.00001, "1e-05"), (3.0, "3"),
        (1.5e-7, "1.5e-07"), (123456789.5, "123456789.5"), (float("inf"), "+Inf"), (float("nan"), "NaN"), (-0.5, "-0.5"),
    ],
)  # fmt: skip
def test_numbers_are_printed_as_go_prints_them(value: float, text: str) -> None:
    assert go_float(value) == text


def test_what_is_too_long_is_cut() -> None:
    text = render("{{ range 65536 }}{{ range 65536 }}xyz{{ end }}{{ end }}")
    assert (len(text), text[-4:]) == (MAX_OUTPUT, "xyz…")


@pytest.mark.parametrize(
    ("text", "prometheus", "alertmanager"),
    [  # as strings.Title and golang.org/x/text's cases.Title(language.AmericanEnglish) answer
        ("hello world", "Hello World", "Hello World"),
        ("HELLO WORLD", "HELLO WORLD", "Hello World"),
        ("ab-cd eF", "Ab-Cd EF", "Ab-Cd Ef"),
        ("foo_bar baz", "Foo_bar Baz", "Foo_bar Baz"),
        ("it's o'neil", "It'S O'Neil", "It's O'neil"),
        ("3abc a3b", "3abc A3b", "3Abc A3b"),
        ("http://x.y/z", "Http://X.Y/Z", "Http://X.y/Z"),
        ("a.b.c", "A.B.C", "A.b.c"),
        ("a,b;c", "A,B;C", "A,B;C"),
        ("über ÄRGER", "Über ÄRGER", "Über Ärger"),
        ("ǆ ß", "ǅ ß", "ǅ Ss"),
        ("x+y=z", "X+Y=Z", "X+Y=Z"),
        ("a/b\\c", "A/B\\C", "A/B\\C"),
        ("tab\there", "Tab\tHere", "Tab\tHere"),
        ("new\nline", "New\nLine", "New\nLine"),
        ("", "", ""),
        ("1st 2ND", "1st 2ND", "1St 2Nd"),
        ("CPUUsage", "CPUUsage", "Cpuusage"),
        ("node-exporter:9100", "Node-Exporter:9100", "Node-Exporter:9100"),
        ("don\u2019t STOP", "Don\u2019t STOP", "Don\u2019t Stop"),
        ("(paren) [br]", "(Paren) [Br]", "(Paren) [Br]"),
        ("a:b", "A:B", "A:b"),
        ("a·b", "A·b", "A·b"),
        ("éa", "Éa", "Éa"),
        ("日本 語x", "日本 語x", "日本 語X"),
        ("FOO_BAR", "FOO_BAR", "Foo_bar"),
        ("foo__bar", "Foo__bar", "Foo__bar"),
        ("_x _Y", "_x _Y", "_X _Y"),
        ("a--b", "A--B", "A--B"),
        ("10.0.0.1:AB", "10.0.0.1:AB", "10.0.0.1:Ab"),
        ("MiXed123Case", "MiXed123Case", "Mixed123case"),
    ],
)
def test_title_is_each_programs_own(text: str, prometheus: str, alertmanager: str) -> None:
    assert title_of_prometheus(text) == prometheus
    assert title_of_alertmanager(text) == alertmanager
