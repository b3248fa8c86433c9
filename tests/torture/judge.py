"""What must be so after a call that was struck, and that the next calls heal the rest."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from ipam import facts
from tests.torture.scenes import EARLIER, NEXT, POD, Stage, State, may_go
from tests.torture.trace import Call
from tests.torture.victims import Outcome, Verb

OWN = f"{POD.container_id}\r\neth0".encode()
States = dict[str, State]


def judge(stage: Stage, verb: Verb, before: States, outcome: Outcome, refused: Call | None) -> None:
    """Nobody's lease is lost or torn, and what the caller was told is so. `refused`: which call met an error."""
    after = stage.leases()
    for name, state in before.items():
        if not may_go(state.content, verb):
            kept = after.get(name)
            assert kept is not None and kept.content == state.content, f"{name} was lost: {kept}"
            assert kept == state or state.content == OWN, f"{name} has other facts"
    for name, state in after.items():
        was = before[name].content if name in before else None
        assert state.content in (was, OWN), f"{name} was torn: {state.content!r}"
    gone = {name for name in before if before[name].content and name not in after}
    if verb.name != "ADD" and not (refused and str(stage.node.store) not in refused.text):
        assert gone <= stage.cooling(), f"of {gone} {stage.cooling()} cool"
    reply = outcome.reply
    if reply is None:
        return
    had = {name for name, state in before.items() if state.content == OWN}
    has = {name for name, state in after.items() if state.content == OWN}
    if reply.code != 0:
        is_undoing = refused is not None and refused.name == "unlinkat"  # the DEL that follows an error will do it
        assert verb.name != "ADD" or has == had or is_undoing, f"{reply} left {has - had}"
    elif verb.name == "ADD":
        assert has == {ip["address"].split("/")[0] for ip in reply.json["ips"]}, reply
    else:
        assert not any(is_to_go(state, verb) for state in after.values()), reply


def is_to_go(state: State, verb: Verb) -> bool:
    """Whether the call, done to its end, removes such a lease."""
    if verb.name == "DEL":
        return state.content == OWN
    return is_dead(state) or (state.content == OWN and "cni.dev/valid-attachments" in verb.conf)


def is_dead(state: State) -> bool:
    known = facts.decode(state.facts)
    return known is not None and known.boot == EARLIER


def heal(stage: Stage, verb: Verb) -> None:
    """The same call again, another pod, and everybody's DEL: as if nothing had been."""
    kept = {name: state for name, state in stage.leases().items() if not may_go(state.content, verb)}
    if verb.name == "ADD":
        _add_again(stage)
    else:
        stage.run(verb).succeeded()
        assert not any(is_to_go(state, verb) for state in stage.leases().values())
    _add(stage)
    for pod in (POD, NEXT):
        stage.call("DEL", pod).succeeded()
        content = f"{pod.container_id}\r\neth0".encode()
        assert content not in {state.content for state in stage.leases().values()}
    left = stage.leases()
    for name, state in kept.items():
        assert state.content == OWN or left.get(name) == state, f"{name}: {state} became {left.get(name)}"
    assert stage.others() == set()
    assert stage.drift() == [], stage.drift()  # waits for the lock, which is held a little longer than the reply takes
    assert stage.is_indexed(), "the index was not brought up to date"


def _add_again(stage: Stage) -> None:
    own = {name for name, state in stage.leases().items() if state.content == OWN}
    if not own:
        _add(stage, stage.call("ADD", POD))
    elif len(own) == len(stage.conf["ipam"]["ranges"]):
        assert addresses(stage.call("ADD", POD).succeeded()) == own
    else:
        stage.call("ADD", POD).failed(102)  # half of an attachment, which its DEL removes


def _add(stage: Stage, reply: Any = None) -> None:
    """A new pod gets addresses that are nobody's, if there are any."""
    # `reply` of a call that was just made has changed the store already: then only its success is judged
    before = stage.leases()
    if reply is not None:
        assert (reply.code == 0) == (OWN in {state.content for state in before.values()})
        return
    free = [_free(one[0], before) for one in stage.conf["ipam"]["ranges"]]
    reply = stage.call("ADD", NEXT)
    if not all(free):
        reply.failed(102)
        return
    given = addresses(reply.succeeded())
    assert len(given) == len(free)
    for name in given:
        assert any(name in one for one in free), f"{name} was given twice"


def addresses(result: dict[str, Any]) -> set[str]:
    return {ip["address"].split("/")[0] for ip in result["ips"]}


def usable(one: dict[str, str]) -> set[str]:
    """What a range can give."""
    network = ip_network(one["subnet"])
    first, last = int(network[0]) + 2, int(network[-1]) - (network.version == 4)  # the first one is the gateway's
    if "rangeStart" in one:
        first, last = int(ip_address(one["rangeStart"])), int(ip_address(one["rangeEnd"]))
    return {str(ip) for ip in network if first <= int(ip) <= last}


def _free(one: dict[str, str], leases: States) -> set[str]:
    """What can be given of a range: all that is nobody's; if there is nothing, what the dead have."""
    hosts = usable(one)
    free = {ip for ip in hosts if ip not in leases or not leases[ip].content}
    return free or {ip for ip in hosts if is_dead(leases[ip])}
