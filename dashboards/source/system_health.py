"""Dashboard 12, system health: the machine that the stack runs on, and what each service of it takes."""

from .parts import Board, rate, select, steps, targets

FILE = "system-health.json"

# File systems that hold data, and devices that lead elsewhere.
DISKS = 'fstype!~"tmpfs|overlay|squashfs"'
OUTWARD = 'device!="lo"'
IDLE = 'mode="idle"'


def board():
    it = Board(
        "phasor-system-health",
        "System health",
        "The machine that the stack runs on, and what each service of it takes.",
        "up",
        "health",
    )
    processor_and_memory(it)
    disk_and_network(it)
    services(it)
    postgresql(it)
    return it


def processor_and_memory(it):
    it.row("Processor and memory")
    busy = f"1 - avg by (cpu) ({rate('node_cpu_seconds_total', IDLE)})"
    it.lines(
        "CPU by core",
        "Share of each core that is busy.",
        targets((busy, "core {{cpu}}")),
        (12, 8),
        "percentunit",
        limit=0.9,
        high=1,
    )
    available, total = select("node_memory_MemAvailable_bytes"), select("node_memory_MemTotal_bytes")
    it.lines(
        "Memory",
        "What is in use and what can still be had.",
        targets((f"sum({total} - {available})", "in use"), (f"sum({available})", "available")),
        (12, 8),
        "bytes",
        stack=True,
    )
    cores = f"count(count by (cpu) ({select('node_cpu_seconds_total', IDLE)}))"
    it.lines(
        "Load",
        "Tasks that run or wait, over one minute; above the number of cores they wait.",
        targets((f"max({select('node_load1')})", "load"), (cores, "cores")),
        (12, 7),
        "short",
    )
    free, size = select("node_filesystem_avail_bytes", DISKS), select("node_filesystem_size_bytes", DISKS)
    it.bars(
        "File systems",
        "How full each one is.",
        f"max by (mountpoint) (1 - {free} / {size})",
        "{{mountpoint}}",
        (12, 7),
        "percentunit",
        steps("green", (0.8, "orange"), (0.9, "red")),
        (0, 1),
    )


def disk_and_network(it):
    it.row("Disk and network")
    panels = [
        ("Disk I/O", "read", "node_disk_read_bytes_total", "written", "node_disk_written_bytes_total", ""),
        (
            "Network I/O",
            "received",
            "node_network_receive_bytes_total",
            "sent",
            "node_network_transmit_bytes_total",
            OUTWARD,
        ),
    ]
    for title, came, inward, went, outward, devices in panels:
        it.lines(
            title,
            f"Bytes {came} (above) and {went} (below).",
            targets(
                (f"sum by (device) ({rate(inward, devices)})", "{{device}} " + came),
                (f"-sum by (device) ({rate(outward, devices)})", "{{device}} " + went),
            ),
            (12, 8),
            "Bps",
            low=None,
        )


def services(it):
    it.row("Services")
    panels = [
        ("CPU by service", "Cores that each service takes.", rate("process_cpu_seconds_total"), "short"),
        ("Memory by service", "Resident memory of each service.", select("process_resident_memory_bytes"), "bytes"),
        ("Open files by service", "File descriptors that each service holds.", select("process_open_fds"), "short"),
    ]
    for title, description, series, unit in panels:
        it.lines(title, description, targets((f"sum by (job) ({series})", "{{job}}")), (8, 8), unit)


def postgresql(it):
    it.row("PostgreSQL")
    backends = select("pg_stat_database_numbackends", 'datname!=""')
    it.lines(
        "PostgreSQL connections",
        "Connections by database. Without the profile `postgres` of the compose file there are none.",
        targets(
            (f"sum by (datname) ({backends})", "{{datname}}"),
            (f"max({select('pg_settings_max_connections')})", "limit"),
        ),
        (24, 7),
        "short",
    )
