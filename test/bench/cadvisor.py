"""
A /metrics/cadvisor answer as a kubelet gives it, of a wanted size: names, labels and lengths as on a real node, series
that stay, values that change from one answer to the next.
"""
import random

CONTAINER = [
    "container_cpu_usage_seconds_total{cpu=\"total\"}", "container_cpu_user_seconds_total", "container_cpu_system_seconds_total",
    "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_throttled_seconds_total",
    "container_cpu_load_average_10s", "container_memory_usage_bytes", "container_memory_working_set_bytes", "container_memory_rss",
    "container_memory_cache", "container_memory_swap", "container_memory_mapped_file", "container_memory_max_usage_bytes",
    "container_memory_kernel_usage", "container_memory_failcnt", "container_processes", "container_threads",
    "container_threads_max", "container_file_descriptors", "container_sockets", "container_last_seen", "container_oom_events_total",
    "container_tasks_state{state=\"sleeping\"}", "container_tasks_state{state=\"running\"}", "container_tasks_state{state=\"stopped\"}",
    "container_memory_failures_total{failure_type=\"pgfault\",scope=\"container\"}",
    "container_memory_failures_total{failure_type=\"pgmajfault\",scope=\"container\"}",
    "container_memory_failures_total{failure_type=\"pgfault\",scope=\"hierarchy\"}",
    "container_memory_failures_total{failure_type=\"pgmajfault\",scope=\"hierarchy\"}",
    "container_fs_reads_bytes_total{device=\"/dev/nvme0n1\"}", "container_fs_writes_bytes_total{device=\"/dev/nvme0n1\"}",
    "container_fs_reads_total{device=\"/dev/nvme0n1\"}", "container_fs_writes_total{device=\"/dev/nvme0n1\"}",
    "container_spec_cpu_period", "container_spec_cpu_shares", "container_spec_memory_limit_bytes",
    "container_spec_memory_reservation_limit_bytes", "container_start_time_seconds", "container_ulimits_soft{ulimit=\"max_open_files\"}",
]
UNTIMED = ("container_spec_", "container_start_time_seconds")


class Cadvisor:
    def __init__(self, size, seed=1):
        self.random = random.Random(seed)
        self.containers = []
        self.size = size
        line = len(self.line(CONTAINER[0], self.container(), 1.5, 1700000000000))
        self.containers = [self.container() for _ in range(max(1, size // line // len(CONTAINER)))]
        self.values = [[self.random.random() * 10 ** self.random.randint(0, 10) for _ in self.containers] for _ in CONTAINER]
        self.time_ms = 1700000000000

    def container(self):
        digits = lambda n: "".join(self.random.choice("0123456789abcdef") for _ in range(n))
        uid = "-".join((digits(8), digits(4), digits(4), digits(4), digits(12)))
        app = self.random.choice(("frontend", "checkout", "inventory-worker", "postgres", "log-shipper"))
        return {
            "container": app,
            "id": f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid.replace('-', '_')}.slice/"
                  f"cri-containerd-{digits(64)}.scope",
            "image": f"registry.example.com/shop/{app}@sha256:{digits(64)}",
            "name": digits(64),
            "namespace": self.random.choice(("shop", "monitoring", "kube-system")),
            "pod": f"{app}-{digits(10)}-{digits(5)}",
        }

    @staticmethod
    def line(family, container, value, time_ms):
        name, _, more = family.partition("{")
        labels = dict(container)
        for pair in more.rstrip("}").split(",") if more else ():
            key, _, what = pair.partition("=")
            labels[key] = what.strip('"')
        text = ",".join(f'{k}="{labels[k]}"' for k in sorted(labels))
        timed = "" if name.startswith(UNTIMED) else f" {time_ms}"
        return f"{name}{{{text}}} {Cadvisor.number(value)}{timed}\n"

    @staticmethod
    def number(value):
        value = round(value, 6)
        if value == int(value) and abs(value) < 1e6:
            return str(int(value))
        if abs(value) >= 1e6 or abs(value) < 1e-4:
            digits, _, exponent = f"{value:.16e}".partition("e")
            shortest = repr(value)
            for n in range(1, 18):
                text = f"{value:.{n}e}"
                if float(text) == value:
                    digits, _, exponent = text.partition("e")
                    break
            del shortest
            return f"{digits}e{int(exponent):+03d}"
        return repr(value)

    def body(self):
        """The next answer, 15 s after the one before: two thirds of the values have moved."""
        self.time_ms += 15000
        out, last = [], None
        for f, family in enumerate(CONTAINER):
            name = family.partition("{")[0]
            if name != last:
                kind = "counter" if name.endswith("_total") else "gauge"
                out.append(f"# HELP {name} What cAdvisor says of {name[10:].replace('_', ' ')}.\n# TYPE {name} {kind}\n")
            last = name
            for c, container in enumerate(self.containers):
                if not name.startswith(UNTIMED) and self.random.random() < 0.67:
                    value = self.values[f][c]
                    step = value * self.random.random() * 1e-3
                    self.values[f][c] = value + (step if value != int(value) else int(step) + 1)
                out.append(self.line(family, container, self.values[f][c], self.time_ms - self.random.randint(0, 14999)))
        return "".join(out).encode()


if __name__ == "__main__":
    import sys
    cadvisor = Cadvisor(int(sys.argv[1]))
    for n in range(int(sys.argv[2])):
        with open(f"{sys.argv[3]}/body{n}", "wb") as f:
            f.write(cadvisor.body())
