"""What the gateway adds: the same requests direct and through it, interleaved, with routing, metering and the ledger on.

Prints ratios and differences of one run on this machine; the upstream is the lab provider without waits, on the same cores.
Run: `make bench` (about a minute). Figures belong in docs/explain/performance.md with the date.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import uvloop

from freehold.app.cli.demo.children import Children, free_port
from freehold.app.cli.output import out
from freehold.serve.access.keys import digest

ROUNDS, REQUESTS, STREAMS, STREAM_TOKENS = 6, 400, 40, 200
CONCURRENCY = 16
CONFIG = """
version: 1
listen: 127.0.0.1:{gateway}
admin: {{listen: "127.0.0.1:{admin}", key_sha256: {key}}}
keys: [{{name: bench, sha256: {key}}}]
targets:
  lab: {{provider: lab, url: "http://127.0.0.1:{lab}", model: gpt-4o, clearance: public, price: {{like: openai/gpt-4o}}}}
workloads:
  bench: {{targets: [lab]}}
"""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


async def main() -> None:
    """Start a provider and a gateway, measure, stop both."""
    with tempfile.TemporaryDirectory(prefix="freehold-bench-") as name:
        folder = Path(name)
        ports = {place: free_port(0) for place in ("gateway", "admin", "lab")}
        (folder / "freehold.yaml").write_text(CONFIG.format(key=digest("bench"), **ports), encoding="utf-8")
        async with Children(folder) as children:
            pace = ["--ttft-ms", "0", "--tokens-per-s", "100000", "--event-ms", "0"]
            await children.start("lab", ["lab", "provider", "--port", str(ports["lab"]), *pace], ports["lab"])
            await children.start("gateway", ["serve", "-c", str(folder / "freehold.yaml")], ports["gateway"])
            urls = {side: f"http://127.0.0.1:{ports[side]}/v1/chat/completions" for side in ("lab", "gateway")}
            await measure(urls, children.pid_of("gateway"))


async def measure(urls: dict[str, str], gateway_pid: int) -> None:
    """Interleave rounds of both sides."""
    latencies: dict[str, list[float]] = {"lab": [], "gateway": []}
    cpu_request: list[float] = []
    cpu_event: list[float] = []
    async with aiohttp.ClientSession(headers={"authorization": "Bearer bench"}) as session:
        await batch(session, urls["gateway"], REQUESTS // 4, stream=False)
        for _ in range(ROUNDS):
            for side, url in urls.items():
                before = cpu_s(gateway_pid)
                latencies[side] += (await batch(session, url, REQUESTS, stream=False))[0]
                if side == "gateway":
                    cpu_request.append((cpu_s(gateway_pid) - before) / REQUESTS)
            before = cpu_s(gateway_pid)
            _, events = await batch(session, urls["gateway"], STREAMS, stream=True)
            cpu_event.append((cpu_s(gateway_pid) - before) / events)
    direct, through = (statistics.median(latencies[side]) for side in ("lab", "gateway"))
    out.print(
        f"requests, {CONCURRENCY} at a time: p50 direct {direct * 1e3:.2f} ms, through {through * 1e3:.2f} ms", highlight=False
    )
    out.print(
        f"p99 direct {p99(latencies['lab']) * 1e3:.2f} ms, through {p99(latencies['gateway']) * 1e3:.2f} ms", highlight=False
    )
    out.print(f"gateway CPU per request, everything on: {min(cpu_request) * 1e6:.0f} us best of {ROUNDS}", highlight=False)
    out.print(f"gateway CPU per stream event: {min(cpu_event) * 1e6:.0f} us best of {ROUNDS}", highlight=False)


async def batch(session: aiohttp.ClientSession, url: str, count: int, *, stream: bool) -> tuple[list[float], int]:
    """Seconds each request took, and how many stream events came in all."""
    room = asyncio.Semaphore(CONCURRENCY)
    events = 0
    body = {
        "model": "bench",
        "messages": [{"role": "user", "content": "word " * 100}],
        "max_tokens": STREAM_TOKENS if stream else 50,
        "stream": stream,
    }

    async def one() -> float:
        nonlocal events
        async with room:
            started = time.perf_counter()
            async with session.post(url, json=body) as reply:
                data = await reply.read()
                assert reply.status == 200, data
            events += data.count(b"\n\n")
            return time.perf_counter() - started

    return list(await asyncio.gather(*(one() for _ in range(count)))), events


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def p99(values: Iterable[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    uvloop.run(main())
