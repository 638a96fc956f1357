"""A rerun that finds everything in its cache, process start included, in starts of the bare interpreter."""

from __future__ import annotations

from collections.abc import Callable

from measure import chain
from measure.bench import Bench, outcomes, require, require_all_hits
from measure.peers import PEERS, cached_chain, install
from measure.process import Command
from measure.report import Figure
from measure.rounds import forget_pages, growth, ratios, run_rounds

PART = "fully cached rerun"
FEW, MANY, VERY_MANY = 5, 1_000, 10_000
PEER_MANY = 100
BASE = "python3 -c pass"


def measure(bench: Bench) -> None:
    commands = {steps: everfresh_chain(bench, steps) for steps in (FEW, MANY, VERY_MANY)}
    seconds: dict[str, Callable[[], float]] = {BASE: lambda: bench.baseline().run().seconds}
    for steps in (FEW, MANY):
        seconds[str(steps)] = timed(commands[steps])
    samples = run_rounds(seconds, bench.rounds(31, 7), {BASE: 3}, "5 and 1,000 steps")
    base = samples[BASE]
    bench.report.add(
        Figure(PART, BASE, "ms", [value * 1e3 for value in base]),
        Figure(PART, "5 steps", "x python3", ratios(samples[str(FEW)], base), at_most=1.5),
        Figure(PART, "1,000 steps", "x python3", ratios(samples[str(MANY)], base), at_most=5),
        Figure(
            PART,
            "each further step, 5 to 1,000",
            "µs",
            growth(samples[str(MANY)], samples[str(FEW)], MANY - FEW),
            at_most=30,
        ),
    )
    most = {
        BASE: seconds[BASE],
        str(MANY): seconds[str(MANY)],
        str(VERY_MANY): timed(commands[VERY_MANY]),
    }
    samples = run_rounds(most, bench.rounds(11, 3), {BASE: 3}, "10,000 steps")
    bench.report.add(
        Figure(PART, "10,000 steps", "x python3", ratios(samples[str(VERY_MANY)], samples[BASE])),
        Figure(
            PART,
            "each further step, 1,000 to 10,000",
            "µs",
            growth(samples[str(VERY_MANY)], samples[str(MANY)], VERY_MANY - MANY),
            at_most=30,
        ),
    )
    for command in commands.values():
        require_all_hits(Command([*command.argv, "--json"], command.folder).json()[1], "after the rounds")
    measure_cold(bench, commands)
    measure_peers(bench, commands[FEW])


def timed(command: Command) -> Callable[[], float]:
    return lambda: command.run().seconds


def everfresh_chain(bench: Bench, steps: int) -> Command:
    """A chain that has run, tried first: it hits without a query engine, and it notices a change."""
    folder = bench.new_folder(f"chains/everfresh-{steps}")
    chain.everfresh(folder, steps)
    as_json = bench.everfresh(folder, "--json")
    finished, told = as_json.json()
    require(outcomes(told, "step") == {"ran": steps}, f"first run of {steps} steps: {outcomes(told, 'step')}")
    bench.report.note(
        f"{steps:,} steps: first run {finished.seconds:.2f} s, peak {finished.peak_bytes / 2**20:,.0f} MiB"
    )
    require_all_hits(as_json.json()[1], f"second run of {steps} steps")
    if steps == FEW:
        chain.write_source(folder, start=100)
        require(outcomes(as_json.json()[1], "step") == {"ran": steps}, "a changed source went unnoticed")
        require_all_hits(as_json.json()[1], "the run after a change")
    return bench.everfresh(folder)


def measure_cold(bench: Bench, commands: dict[int, Command]) -> None:
    """With an empty page cache: told, without a target, since it measures the disk."""
    files = [bench.everfresh_program, bench.bare_python, *(command.folder for command in commands.values())]

    def cold(command: Command) -> Callable[[], float]:
        def run() -> float:
            forget_pages(files)
            return command.run().seconds

        return run

    contenders = {BASE: cold(bench.baseline()), "5": cold(commands[FEW]), "1000": cold(commands[MANY])}
    samples = run_rounds(contenders, bench.rounds(7, 3), title="empty page cache")
    bench.report.add(
        Figure(PART, f"empty page cache: {BASE}", "ms", [value * 1e3 for value in samples[BASE]]),
        Figure(PART, "empty page cache: 5 steps", "x python3", ratios(samples["5"], samples[BASE])),
        Figure(PART, "empty page cache: 1,000 steps", "x python3", ratios(samples["1000"], samples[BASE])),
    )


def measure_peers(bench: Bench, everfresh: Command | None) -> None:
    contenders: dict[str, Callable[[], float]] = {BASE: lambda: bench.baseline().run().seconds}
    if everfresh is not None:
        contenders["everfresh"] = timed(everfresh)
    for peer in PEERS:
        programs = install(bench, peer)
        for steps in (FEW, PEER_MANY):
            contenders[f"{peer.name} {steps}"] = timed(cached_chain(bench, peer, programs, steps))
    samples = run_rounds(contenders, bench.rounds(9, 3), {BASE: 3, "everfresh": 3}, "peers")
    if everfresh is not None:
        bench.report.add(
            Figure(PART, "5 steps, beside the peers", "x python3", ratios(samples["everfresh"], samples[BASE]))
        )
    for peer in PEERS:
        few, many = samples[f"{peer.name} {FEW}"], samples[f"{peer.name} {PEER_MANY}"]
        bench.report.add(
            Figure(PART, f"{peer.name}: 5 steps", "x python3", ratios(few, samples[BASE])),
            Figure(PART, f"{peer.name}: each further step, 5 to 100", "µs", growth(many, few, PEER_MANY - FEW)),
        )
