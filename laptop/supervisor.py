"""One run: everything started in order, kept running, ended in order. One process, one thread of control."""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from laptop.addresses import BOARD, BROKER, take_addresses
from laptop.arrivals import connection_arrives
from laptop.data_files import check_files
from laptop.data_folder import holds, only_run
from laptop.errors import LaptopError
from laptop.guard import guarded
from laptop.leftovers import end_leftovers
from laptop.lifecycle import GRACE, STURDY, Lifecycle, Needs, backoff, run_lifecycle
from laptop.logs import say
from laptop.manifests import Function, System, read_system, with_settings
from laptop.options import Options
from laptop.process import Child, Children, Program, allow_open_files
from laptop.programs import (
    FORK_SERVER,
    board_program,
    broker_program,
    function_program,
    gateway_program,
    jaeger_program,
    migrations_program,
)
from laptop.run import Run
from laptop.runtime import runtime_folder
from laptop.schedule import check_schedule, keep_pinging
from laptop.shares import niceness
from laptop.sources import PAUSE, mistakes
from laptop.state import write_triggers
from laptop.systems import ROOT
from laptop.welcome import answers, say_goodbye, say_welcome

FUNCTIONS_GRACE, REST_GRACE = 3.0, 1.5  # seconds to finish at the end of the run
LONGEST_DATA = 450  # bytes; a whole path has 512, of the longest database with what SQLite puts behind its name
READ_LOGS_AWAKE, READ_LOGS_ASLEEP = 1.0, 5.0
LOOK_AT_DATA = 1.0
SAY_WHY_AFTER = 5.0  # seconds that a database is waited for in silence


def run(options: Options) -> None:
    """Runs the manifests until SIGINT or SIGTERM. Raises LaptopError when nothing could be started."""
    system = with_settings(_with_window(read_system(list(options.manifests)), options.window), options.settings)
    for ping in system.pings:
        check_schedule(ping)
    _check_length(options.data)
    check_files(options.data)
    allow_open_files()
    with only_run(options.data) as lock:
        options.run.mkdir(exist_ok=True)
        options.logs.mkdir(exist_ok=True)
        for name in end_leftovers(options.run):
            say("laptop", f"ended {name}, left over from a run that was killed")
        addresses = take_addresses(system, options)
        with guarded(options.data), runtime_folder() as runtime:
            try:
                asyncio.run(_run(Run(options, system, addresses, Children(options.run), runtime), lock))
            finally:
                addresses.close()
                if holds(lock, options.data):
                    (options.data / "state.json").unlink(missing_ok=True)


def _check_length(data: Path) -> None:
    """Raises LaptopError where the path of a database would be too long."""
    length = len(os.fsencode(data))
    if length > LONGEST_DATA:
        raise LaptopError(
            f"the path of the data folder has {length} bytes, and SQLite opens no file behind more than "
            f"{LONGEST_DATA}: choose another folder with --data ({data})"
        )


async def _run(this: Run, lock: TextIO) -> None:
    stop = _listen_to_signals(this.children)
    try:
        await _until(stop, _start(this))
        await _until(stop, _watch_data(this, lock))
    finally:
        try:
            await _end(this)
        finally:
            this.children.kill()


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
    else:
        task.cancel()


async def _start(this: Run) -> None:
    this.databases.remember()
    if this.options.jaeger:
        _begin_residence(this, jaeger_program(this.options.jaeger, this.options))
    for function in this.system.functions:
        _begin_lifecycle(this, function)
    if BROKER in this.addresses.listeners:
        write_triggers(this.options.triggers, this.system.eventing)
        ways = {function.name: _short_way(this, function) for function in this.system.functions}
        _begin_residence(this, broker_program(this.options, this.addresses, ways))
    if this.system.gateway:
        _begin_residence(this, board_program(this.options, this.addresses))
        _begin_residence(this, gateway_program(this.system.gateway, this.options, this.addresses))
    await _migrate(this)
    _make_others(this)
    this.gates.set()
    await _answering(this)
    if new := this.databases.remember():
        say("laptop", f"{', '.join(new)}: new, as there was none beside the other databases, and empty")
    for ping in this.system.pings:
        this.spawn(ping.name, partial(keep_pinging, ping, this.addresses.of_sink(ping.sink)))
    this.spawn("laptop", partial(_follow_logs, this))
    this.spawn("sources", partial(_watch_sources, this))
    this.write()
    say_welcome(this.state(), this.system, this.options)


def _begin_lifecycle(this: Run, function: Function) -> None:
    program = function_program(function, this.options, this.addresses)
    program = replace(program, niceness=niceness(function.share, (one.share for one in this.system.functions)))
    listener = this.addresses.listeners[function.name]

    async def launch(notify: Path) -> Child:
        _look_at_sources(this)
        lifecycle.outdated.clear()
        waking = {
            "NOTIFY_SOCKET": str(notify),
            "WOKEN_AT": f"{time.time():.3f}",
            "SHORT_WAY": str(_short_way(this, function)),
        }
        for path in filter(Path.is_file, program.databases):  # what is missing is not made: it is an outage
            this.databases.require(path)
        return await this.forks.start(replace(program, environment={**program.environment, **waking}), listener)

    def notify() -> Path:
        return this.runtime.of(function.name) / "notify"

    url = this.addresses.services[function.name]
    lifecycle = this.lifecycles[function.name] = Lifecycle(url, function.triggers, function.folder)
    needs = Needs(listener, launch, notify, this.log(function.name), this.changed, this.gates)

    async def live_on() -> None:
        await this.children.end({function.name}, GRACE)  # of a lifecycle that failed
        await run_lifecycle(function, lifecycle, needs)

    this.spawn(function.name, live_on)


def _short_way(this: Run, function: Function) -> Path:
    """Where it hears the broker while it is awake. Where /tmp was cleaned, the broker finds its port only."""
    return this.runtime.of(function.name) / "calls"


def _begin_residence(this: Run, program: Program) -> None:
    this.falls[program.name] = asyncio.get_running_loop().create_future()
    this.spawn(program.name, partial(_keep_running, this, program))


async def _keep_running(this: Run, program: Program) -> None:
    """Broker and gateway: always there, started again at once. The board: only while somebody watches."""
    quick_deaths = 0
    log, listener = this.log(program.name), this.addresses.listeners.get(program.name)  # Jaeger opens its own
    await this.children.end({program.name}, REST_GRACE)  # of a start that failed
    while True:
        if program.on_demand and listener:
            await connection_arrives(listener)
        for path in program.databases:
            this.databases.require(path)
        began = asyncio.get_running_loop().time()
        child = this.children.start(_plainly_named(this, program), listener)
        this.residents[program.name] = child.pid
        this.changed()
        status = await child.wait()
        if status or not program.on_demand:
            log.show_crash(status)
        if status > 0 and not this.falls[program.name].done():
            if program.explained_by:
                await this.children.start(replace(_plainly_named(this, program), arguments=program.explained_by)).wait()
            this.falls[program.name].set_result(f"exit code {status}: {log.last_word()}")
        quick_deaths = quick_deaths + 1 if asyncio.get_running_loop().time() - began < STURDY else 0
        await asyncio.sleep(backoff(quick_deaths))


def _plainly_named(this: Run, program: Program) -> Program:
    """Caddy makes the names of imports absolute and takes them for patterns: its folder gets a name without any."""
    if program.folder == ROOT:
        return program
    return replace(program, folder=this.runtime.link(program.name, program.folder))


async def _migrate(this: Run) -> None:
    program = migrations_program(this.system.functions, this.options, this.addresses)
    if program is None:
        return
    log = this.log(program.name)
    say("laptop", "bringing the databases up to date")
    child = this.children.start(program)
    await asyncio.wait({child.exited}, timeout=SAY_WHY_AFTER)
    if not child.exited.done():
        say("laptop", f"one of them is waited for ({log.last_word()}), see {log.path}")
    status = await child.wait()
    if status:
        log.show_crash(status)
        raise LaptopError(f"the databases could not be brought up to date, see {log.path}")


def _make_others(this: Run) -> None:
    """A service without migrations has no tables, but each of its calls is a transaction of some database."""
    for function in this.system.functions:
        for path in function_program(function, this.options, this.addresses).databases:
            path.touch()


async def _answering(this: Run) -> None:
    """Waits until broker and gateway answer. Raises LaptopError as soon as one of them ends because of a mistake."""
    say("laptop", f"{len(this.system.functions)} functions asleep, starting gateway and broker")
    state = this.state()
    gateway = this.system.gateway.name if this.system.gateway else ""
    for name, url in ((BROKER, state["brokerStatus"]), (gateway, f"{state['gateway']}/healthz")):
        if name in this.falls:
            await _answers(this, name, url)


async def _answers(this: Run, name: str, url: str) -> None:
    answered, fall, log = asyncio.create_task(answers(url)), this.falls[name], this.log(name)
    waited_for: set[asyncio.Future[bool] | asyncio.Future[str]] = {answered, fall}
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    if not answered.done():
        answered.cancel()
        raise LaptopError(f"{name} does not start ({fall.result()}), see {log.path}")
    if not answered.result():
        raise LaptopError(f"{name} does not answer, see {log.path}; it wrote last: {log.last_word()}")


async def _follow_logs(this: Run) -> None:
    while True:
        awake = any(lifecycle.pid for lifecycle in this.lifecycles.values())
        await asyncio.sleep(READ_LOGS_AWAKE if awake else READ_LOGS_ASLEEP)
        for log in this.logs.values():
            log.show_news()


async def _watch_data(this: Run, lock: TextIO) -> None:
    """Says which databases were deleted or replaced. Raises LaptopError when the whole folder was."""
    while holds(lock, this.options.data):
        for sentence in this.databases.news():
            say("laptop", sentence)
        await asyncio.sleep(LOOK_AT_DATA)
    raise LaptopError(
        f"{this.options.data} was deleted or moved while the system ran, and what it would accept now would be lost"
    )


async def _watch_sources(this: Run) -> None:
    while True:
        await asyncio.sleep(PAUSE)
        if any(lifecycle.pid or lifecycle.quick_deaths for lifecycle in this.lifecycles.values()):
            _look_at_sources(this)


def _look_at_sources(this: Run) -> None:
    """Restarts, gracefully, each function that is made of a changed file."""
    changed = this.sources.changes()
    if not changed:
        return
    if any(path.is_relative_to(folder) for path in changed for folder in this.options.code):
        this.forks.forget()
    if wrong := list(mistakes(changed)):
        say("laptop", f"not run yet: {'; '.join(wrong)}. What is awake goes on as it was")
        return
    for function in this.system.functions:
        own = this.options.functions / function.folder
        if any(path.is_relative_to(folder) for path in changed for folder in (own, *this.options.code)):
            this.lifecycles[function.name].outdated.set()
    awake = sorted(name for name, lifecycle in this.lifecycles.items() if lifecycle.pid and lifecycle.outdated.is_set())
    names = ", ".join(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in changed)
    again = f", and {', '.join(awake)} begin again" if awake else ""
    say("laptop", f"changed: {names}; the next call runs it{again}")


async def _end(this: Run) -> None:
    """Functions finish their calls while broker and gateway are still there for them."""
    say_goodbye(FUNCTIONS_GRACE)
    for task in this.tasks:
        task.cancel()
    await asyncio.gather(*this.tasks, return_exceptions=True)
    await this.children.end(set(this.lifecycles) | {"migrations", BOARD}, FUNCTIONS_GRACE)
    await this.children.end({*this.residents, FORK_SERVER}, REST_GRACE)


def _listen_to_signals(children: Children) -> asyncio.Event:
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            children.kill()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, children.reap)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means to outlive the terminal
            loop.add_signal_handler(number, end)
    return stop


def _with_window(system: System, window: float | None) -> System:
    if window is None:
        return system
    return replace(system, functions=tuple(replace(function, window=window) for function in system.functions))
