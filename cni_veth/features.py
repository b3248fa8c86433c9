"""What a network may ask for beside link and address: which modules do it, and their part in each verb.

A module is loaded where its keys are in the configuration, or its name in a record: a plain pod pays for none.
"""

from __future__ import annotations

import sys

from cni.conf import Section
from cni.request import Request
from cni_veth import tag
from cni_veth.conf import VethConf
from cni_veth.netlink import Socket
from cni_veth.undo import Errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_veth.feature import Feature, Place
    from cni_veth.records import Record, Records

# module: the keys of the configuration, and of runtimeConfig, that may ask for it
MODULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cni_veth.nft.masquerade": (("ipMasq",), ()),
    "cni_veth.nft.ports": ((), ("portMappings",)),
}
LOADED_BY_ALL = (
    "cni_veth.feature",
    "cni_veth.records",
    "cni_veth.nft.attachment",
    *MODULES,
)


class Features:
    """Those of one network."""

    def __init__(self, asked: list[Feature]) -> None:
        self.asked = asked

    def apply(self, place: Place) -> None:
        """All of them, in the kernel and noted. Raises CNIError; `withdraw` is the undo, whatever came of it."""
        from cni_veth.nft import attachment
        from cni_veth.nft.transaction import Netfilter
        from cni_veth.records import Records

        record, records = _record(self.asked, place), Records(place.request.run_dir)
        records.share()
        records.write(record)
        if record.elements:
            attachment.add(Netfilter(), place.host, records, record, place.request)
        for feature in self.asked:
            feature.apply(place)
        records.release()

    def withdraw(self, host: Socket, request: Request) -> None:
        released = release(host, request)
        if released is not None:
            released.forget()

    def differences(self, place: Place) -> list[str]:
        from cni_veth.nft import attachment
        from cni_veth.nft.transaction import Netfilter

        record = _record(self.asked, place)
        found = attachment.differences(Netfilter(), record) if record.elements else []
        for feature in self.asked:
            found += feature.differences(place)
        return found


class Released:
    """An attachment whose features are gone; nobody puts them back before `forget`, which takes the record too."""

    def __init__(self, records: Records, name: str) -> None:
        self._records = records
        self._name = name

    def forget(self) -> None:
        self._records.remove(self._name)
        self._records.release()


def read(request: Request, conf: VethConf) -> Features | None:
    """Every key validated. Raises InvalidConfig (7), UnsupportedField (2)."""
    found = []
    for module in _asked(request.conf):
        feature = _load(module).read(request, conf)
        if feature is not None:
            found.append(feature)
    return Features(found) if found else None


def release(host: Socket, request: Request) -> Released | None:
    """DEL's part: away with rules and the rest. None where the attachment had none. Raises CNIError."""
    from cni_veth import records as files

    name = tag.altname(request.name, request.owner)
    is_noted = files.exists(request.run_dir, name)
    modules = _asked(request.conf)
    if not is_noted and not modules:
        return None
    records = files.Records(request.run_dir)
    records.share()
    record = records.read(name)
    _take_away(host, record or _lost(request, modules))
    return Released(records, name)


def collect(host: Socket, request: Request, keep: set[tuple[str, str]], errors: Errors) -> list[Released]:
    """GC's part: what this network's attachments have that are not in `keep`; each to be forgotten after its link."""
    return []


def _record(asked: list[Feature], place: Place) -> Record:
    from cni_veth.records import Record

    record = Record(place.request.name, place.request.owner)
    record.host_link, record.mac = place.host_link.name, place.mac
    record.ips = [ip.address for ip in place.ips]
    for feature in asked:
        rules = feature.rules(place)
        record.texts += rules.texts
        record.elements += rules.elements
        record.parts[feature.name] = feature.part(place)
    return record


def _take_away(host: Socket, record: Record) -> None:
    """Rules first. Goes on past a failure and raises all."""
    errors = Errors()
    if record.elements:
        from cni_veth.nft import attachment
        from cni_veth.nft.transaction import Netfilter

        with errors:
            attachment.remove(Netfilter(), record.elements)
    for module, part in record.parts.items():
        release_part = getattr(_load(module), "release", None) if module in MODULES else None
        if release_part is not None:
            with errors:
                release_part(host, record, part)
    errors.throw()


def _lost(request: Request, modules: list[str]) -> Record:
    """What the kernel's comments tell of an attachment whose record is gone."""
    from cni_veth.nft import attachment, elements
    from cni_veth.nft.transaction import Netfilter
    from cni_veth.records import Record

    record, mine = Record(request.name, request.owner), elements.comment(request.name, request.owner)
    record.elements = [element for text, element in attachment.dump(Netfilter()) if text == mine]
    record.parts = dict.fromkeys(modules)
    return record


def _asked(conf: Section) -> list[str]:
    runtime = conf.open_section("runtimeConfig")
    return [
        module
        for module, (keys, capabilities) in MODULES.items()
        if any(conf.raw(key) for key in keys) or any(runtime.raw(key) for key in capabilities)
    ]


def _load(module: str) -> Any:
    __import__(module)
    return sys.modules[module]
