"""Expressions over the recorded node: every function, aggregation and operator, and nestings of them.

Each is the same in every run. `functions` names the functions of the language; those that an old Prometheus does not
know are not among them.
"""
import itertools
import random

# Selectors by what their series are like.
COUNTERS = [
    'node_cpu_seconds_total', 'node_cpu_seconds_total{mode=~"user|system"}', 'node_context_switches_total',
    'node_disk_written_bytes_total', 'node_network_receive_bytes_total{device!="lo"}', 'node_intr_total',
    'node_netstat_Tcp_OutSegs', 'node_scrape_collector_duration_seconds', 'go_memstats_alloc_bytes_total',
]
GAUGES = [
    'node_load1', 'node_memory_MemAvailable_bytes', 'node_filesystem_avail_bytes', 'node_procs_running',
    'go_goroutines', 'go_gc_duration_seconds', 'node_scrape_collector_duration_seconds',
    '{__name__=~"node_memory_(Cached|Buffers|MemFree)_bytes"}', 'node_entropy_available_bits', 'node_time_seconds',
    'node_network_up', 'node_sockstat_sockets_used', 'node_nothing_of_this_name',
]
RANGES = ["20s", "1m", "5m", "10m30s"]
MODIFIERS = ["", " offset 1m", " offset -30s", " offset 5m"]

# What takes one range vector, one instant vector, or the time of each sample.
OVER_RANGE = """absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate last_over_time
    max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time""".split()
OF_VECTOR = """abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad round scalar sgn
    sin sinh sort sort_desc sqrt tan tanh timestamp""".split()
OF_TIME = "day_of_month day_of_week day_of_year days_in_month hour minute month year".split()
OF_HISTOGRAM = "histogram_count histogram_fraction histogram_sum".split()  # of classic series they make nothing
OTHERS = """clamp clamp_max clamp_min double_exponential_smoothing histogram_quantile label_join label_replace pi
    predict_linear quantile_over_time time vector""".split()
functions = set(OVER_RANGE + OF_VECTOR + OF_TIME + OF_HISTOGRAM + OTHERS)

AGGREGATIONS = "avg count group max min stddev stdvar sum".split()
WITH_PARAMETER = {"topk": ["1", "3", "2.9", "0"], "bottomk": ["1", "4"], "quantile": ["0", "0.5", "0.99", "1.5", "-1"],
                  "count_values": ['"v"', '"mode"']}
aggregations = set(AGGREGATIONS) | set(WITH_PARAMETER)

ARITHMETIC = "+ - * / % ^ atan2".split()
COMPARISONS = "== != > < >= <=".split()
SETS = "and or unless".split()
operators = set(ARITHMETIC + COMPARISONS + SETS)

GROUPINGS = ["", " by (mode)", " by (device, cpu)", " without (cpu)", " by ()", " without (instance, job)"]
CPU = 'rate(node_cpu_seconds_total[1m])'
LE = ('label_replace(label_replace({}, "le", "$1", "cpu", "(.*)"), "le", "+Inf", "cpu", "1")')


def of_ranges():
    for i, name in enumerate(OVER_RANGE):
        for k, selector in enumerate(COUNTERS + GAUGES):
            if (i + k) % 3 == 0 or k < 2:
                span = RANGES[(i + k) % len(RANGES)]
                yield f"{name}({selector}[{span}]{MODIFIERS[(i + 2 * k) % len(MODIFIERS)]})"
    for quantile in ("0.5", "0.9", "1", "-0.1", "1.1"):
        yield f"quantile_over_time({quantile}, node_load1[5m])"
    for factors in ("0.5, 0.5", "0.1, 0.9", "0.99, 0.01"):
        yield f"double_exponential_smoothing(node_memory_MemAvailable_bytes[5m], {factors})"
    for seconds in ("0", "3600", "-60.5", "time() - time() + 7"):
        yield f"predict_linear(node_filesystem_avail_bytes[10m], {seconds})"
        yield f"predict_linear(node_load1[1m] offset 20s, {seconds})"


def of_vectors():
    for i, name in enumerate(OF_VECTOR):
        for k, selector in enumerate(GAUGES + COUNTERS):
            if (i + k) % 4 == 0:
                yield f"{name}({selector}{MODIFIERS[(i + k) % len(MODIFIERS)]})"
    for name in OF_TIME:
        yield f"{name}()"
        yield f"{name}(node_boot_time_seconds)"
        yield f"{name}(vector(86400 * 59.5 + 1) + node_time_seconds * 3)"
    for name in "histogram_count", "histogram_sum":
        yield f"{name}(node_load1)"
    yield "histogram_fraction(0, 1, node_load1)"
    for nearest in ("", ", 0.1", ", 5", ", -2.5", ", 1e9"):
        yield f"round(node_memory_MemFree_bytes / 1000{nearest})"
    yield "clamp(node_load1, 0.1, 0.2)"
    yield "clamp(node_load1, 3, 1)"
    yield "clamp_min(node_load1, 0.25)"
    yield "clamp_max(node_load1, NaN)"
    yield "vector(scalar(node_load1) * 2 + time())"
    yield "pi() * 2"
    yield "time()"
    yield "vector(1)"
    yield "scalar(node_cpu_seconds_total)"
    yield 'absent(node_nothing{a="b", c=~"d", e!="f"})'
    yield 'absent_over_time(node_nothing{a="b"}[5m])'
    yield "timestamp(timestamp(node_load1))"
    yield "timestamp(node_load1 offset 7s)"


def of_labels():
    yield 'label_replace(node_network_up, "interface", "$1-$2", "device", "(e)(.*)")'
    yield 'label_replace(node_network_up, "device", "", "device", ".*")'
    yield 'label_replace(node_network_up, "new", "${first}x", "device", "(?P<first>.).*")'
    yield 'label_replace(node_network_up, "x", "y", "absent", "")'
    yield 'label_join(node_cpu_seconds_total, "both", "/", "cpu", "mode", "absent")'
    yield 'label_join(node_load1, "instance", ",")'
    for quantile in ("0", "0.3", "0.99", "1", "2", "-1"):
        yield f"histogram_quantile({quantile}, {LE.format(CPU)})"
        yield f"histogram_quantile({quantile}, sum by (le) ({LE.format(CPU)}))"
    yield "histogram_quantile(0.5, node_load1)"


def of_aggregations():
    for name, grouping in itertools.product(AGGREGATIONS, GROUPINGS):
        yield f"{name}{grouping} ({CPU})"
        yield f"{name}{grouping} (node_scrape_collector_duration_seconds)"
    for name, parameters in WITH_PARAMETER.items():
        for i, parameter in enumerate(parameters):
            for grouping in GROUPINGS[i % 2::2]:
                yield f"{name}{grouping} ({parameter}, {'node_network_mtu_bytes' if name == 'count_values' else CPU})"
                yield f"{name}{grouping} ({parameter}, round(node_load1 * 3))"
    yield "sum(node_nothing_of_this_name)"
    yield "sum by (le, absent) (node_cpu_seconds_total)"
    yield "count(count by (mode) (node_cpu_seconds_total))"
    yield "topk(scalar(count(node_load1)) + 1, node_cpu_seconds_total)"


def of_operators():
    scalars = ["2", "0.5", "-3", "0", "1e300", "NaN", "Inf"]
    for i, op in enumerate(ARITHMETIC + COMPARISONS):
        bool_ = " bool" if op in COMPARISONS else ""
        for k, number in enumerate(scalars):
            if (i + k) % 3 == 0:
                yield f"node_load1 {op} {number}"
                yield f"{number} {op} {CPU}"
                yield f"{number} {op}{bool_} {scalars[(k + 1) % len(scalars)]}"
        yield f"node_memory_MemFree_bytes {op} node_memory_MemTotal_bytes"
        yield f'{CPU} {op} ignoring (mode) group_left sum by (cpu, instance, job) ({CPU})'
        yield f'sum by (cpu) ({CPU}) {op} on (cpu) group_right (mode) {CPU}'
        yield f'node_network_up {op} on (device, instance) group_left (operstate) node_network_info'
        if bool_:
            yield f"node_load1 {op} bool node_load5 offset 10s"
            yield f"node_load1 {op} bool 0.2"
            yield f"{CPU} {op} on (cpu, mode) {CPU} * 1.01"
    for op in SETS:
        yield f'node_cpu_seconds_total{{mode=~"user|idle"}} {op} node_cpu_seconds_total{{mode!~"idle|irq"}}'
        yield f'node_cpu_seconds_total {op} on (cpu) node_cpu_seconds_total{{cpu="0"}}'
        yield f'node_network_up {op} ignoring (device) node_network_mtu_bytes'
        yield f"node_load1 {op} node_nothing"
        yield f"node_nothing {op} node_load1"
        yield f"(node_load1 > 0.2) {op} (node_load5 < 0.3)"
    yield "-node_load1"
    yield "+node_load1"
    yield "-2 ^ 2"
    yield "2 ^ 3 ^ 2 - -1"
    yield "1 + 2 * 3 % 4 / 5 == bool 1.4"
    yield "-sum(node_load1) ^ 2"
    yield '"a string"'
    yield "0x1F + 1e3 + .5"


def of_selectors():
    yield from ['{job="node-exporter", __name__="node_load1"}', 'node_cpu_seconds_total{mode=""}',
                'node_cpu_seconds_total{nothing=""}', '{__name__=~"node_load.+", instance!~"x.*"}',
                'node_cpu_seconds_total{cpu=~"0|1", mode=~"(user|system)"}', 'node_cpu_seconds_total{mode=~".*e.*"}',
                'node_filesystem_avail_bytes{mountpoint=~"/.+"}', 'node_load1 @ end()', 'node_load1 @ start()',
                'rate(node_intr_total[1m] @ end())', 'sum_over_time(node_load1[1m] @ start() offset 10s)']
    for expression in ("node_load1", "rate(node_intr_total[30s])", CPU, "node_load1 > 0.2", "time()"):
        for name in ("max_over_time", "avg_over_time", "count_over_time", "last_over_time", "deriv"):
            if expression == "time()" and name == "last_over_time":
                continue
            yield f"{name}({expression}{' ' if expression[-1] == ')' else ''}[5m:20s])" \
                if " " not in expression else f"{name}(({expression})[5m:20s])"
    yield "rate(node_intr_total[5m:])"
    yield "min_over_time(sum(rate(node_cpu_seconds_total[1m]))[10m:30s] offset 1m)"
    yield "max_over_time(rate(max_over_time(node_intr_total[20s])[125s:10s])[5m:1m])"
    yield "quantile_over_time(0.5, (node_load1 - node_load5)[3m:7s])"


def nested(n, seed=20261120):
    """Random well-typed ones."""
    rng = random.Random(seed)

    def scalar(depth):
        pick = rng.randrange(6)
        if depth <= 0 or pick < 3:
            return rng.choice(["1", "2.5", "0.1", "-4", "1e3", "pi()", "time() / 1e6"])
        if pick == 3:
            return f"scalar({vector(depth - 1)})"
        return f"({scalar(depth - 1)} {rng.choice(['+', '-', '*', '/'])} {scalar(depth - 1)})"

    def matrix(depth):
        if depth > 0 and rng.random() < 0.3:
            return f"({vector(depth - 1)})[{rng.choice(['1m', '3m'])}:{rng.choice(['10s', '15s', '40s'])}]"
        return f"{rng.choice(COUNTERS + GAUGES[:8])}[{rng.choice(RANGES)}]{rng.choice(MODIFIERS)}"

    def vector(depth):
        pick = rng.randrange(10)
        if depth <= 0 or pick == 0:
            return rng.choice(COUNTERS + GAUGES) + rng.choice(MODIFIERS)
        if pick < 4:
            return f"{rng.choice(OVER_RANGE)}({matrix(depth - 1)})"
        if pick < 6:
            return f"{rng.choice(AGGREGATIONS)}{rng.choice(GROUPINGS)} ({vector(depth - 1)})"
        if pick == 6:
            return f"{rng.choice(['abs', 'ceil', 'exp', 'ln', 'sgn', 'sqrt', 'floor'])}({vector(depth - 1)})"
        if pick == 7:
            return f"({vector(depth - 1)} {rng.choice(SETS)} {vector(depth - 1)})"
        if pick == 8:
            return f"({vector(depth - 1)} {rng.choice(ARITHMETIC + COMPARISONS)} {scalar(depth - 1)})"
        return f"(sum by (instance) ({vector(depth - 1)}) {rng.choice(ARITHMETIC)} sum by (instance) ({vector(depth - 1)}))"

    return [vector(rng.randrange(2, 5)) for _ in range(n)]


def generated():
    seen = dict.fromkeys(itertools.chain(of_ranges(), of_vectors(), of_labels(), of_aggregations(), of_operators(),
                                         of_selectors(), nested(200)))
    return list(seen)
