"""DEL's and GC's part in what a network asks for beside link and address (features.py): away with it, as ADD noted."""

from __future__ import annotations

import os

from cni.conf import Section
from cni.errors import KernelRefused
from cni.request import Request
from cni_veth import features, tag
from cni_veth.netlink import Socket
from cni_veth.undo import Errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_veth.features import Keys
    from cni_veth.nft.transaction import Netfilter
    from cni_veth.records import Record, Records


class Released:
    """Attachments whose features are gone; nobody puts them back before `leave`. `forget` takes their records too."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.names: list[str] = []
        self._netfilter: Netfilter | None = None

    def take_away(self, host: Socket, record: Record) -> None:
        """Rules first. Goes on past a failure and raises all."""
        errors = Errors()
        if record.elements:
            from cni_veth.nft import attachment, elements
            from cni_veth.nft.transaction import Netfilter

            self._netfilter = self._netfilter or Netfilter()
            comment = elements.comment(record.network, record.owner)
            with errors:
                attachment.remove(self._netfilter, record.elements, comment)
        for module, part in record.parts.items():
            release_part = getattr(features.load(module), "release", None) if module in features.MODULES else None
            if release_part is not None:
                with errors:
                    release_part(host, record, part)
        errors.throw()

    def forget(self) -> None:
        """When the links are gone too."""
        for name in self.names:
            self._records.remove(name)

    def leave(self) -> None:
        """At last, whatever came of it."""
        self._records.release()
        self.close()

    def close(self) -> None:
        """When no link is to go: while nf_tables' socket closes, none of the node's can."""
        if self._netfilter is not None:
            self._netfilter.leave()
            self._netfilter = None


def release(host: Socket, request: Request) -> Released | None:
    """DEL's part: away with rules and the rest. None where the attachment had none. Raises CNIError."""
    name = tag.altname(request.name, request.owner)
    is_noted = os.path.exists(f"{features.records_directory(request.run_dir)}/{name}")
    modules = [module for module, keys in features.MODULES.items() if _asks(request.conf, keys)]
    if not is_noted and not modules:
        return None
    from cni_veth.records import Records

    records = Records(request.run_dir)
    records.share()
    gone = Released(records)
    try:
        gone.take_away(host, records.read(name) or _lost(request, modules))
    except BaseException:
        gone.leave()
        raise
    gone.names.append(name)
    return gone


def collect(host: Socket, request: Request, keep: set[tuple[str, str]], errors: Errors) -> Released:
    """GC's part: away with what this network's attachments have that are not in `keep`, noted, or only told by the
    kernel."""
    from cni_veth.nft import garbage
    from cni_veth.nft.transaction import NO_NFTABLES
    from cni_veth.records import Records

    records = Records(request.run_dir)
    gone = Released(records)
    with errors:
        found = [record for record in records.every() if record.network == request.name and record.owner not in keep]
        is_noted = os.path.isdir(records.directory)
        if is_noted:
            records.claim()
            records.sweep()
        for record in found:
            with errors:
                gone.take_away(host, record)
                gone.names.append(record.name)
        kept = [record for record in records.every() if record.name not in gone.names]
        try:
            garbage.collect(request.name, keep, kept if is_noted else None, records)
        except KernelRefused as error:
            if found or kept or error.errno not in NO_NFTABLES:
                raise
    return gone


def _lost(request: Request, modules: list[str]) -> Record:
    """What the kernel's comments tell of an attachment whose record is gone."""
    from cni_veth.nft import attachment, elements
    from cni_veth.nft.transaction import Netfilter
    from cni_veth.records import Record

    record, mine = Record(request.name, request.owner), elements.comment(request.name, request.owner)
    record.elements = [element for text, element in attachment.dump(Netfilter()) if text == mine]
    record.parts = dict.fromkeys(modules)
    return record


def _asks(conf: Section, keys: Keys) -> bool:
    asked = any(conf.raw(key) for key in keys.asking)
    return asked or bool(keys.capability and conf.open_section("runtimeConfig").raw(keys.capability))
