"""One call of the runtime: the CNI_* environment and the network configuration, validated.

Which variable a verb needs, SPEC section 2 "Parameters"; "" counts as unset because libcni
sends GC and STATUS with empty ones. CNI_PATH is only asked for where a delegate must be found.
"""

from __future__ import annotations

from cni import document
from cni.caller import Caller
from cni.conf import Section
from cni.errors import InvalidConfig, InvalidEnvironment
from cni.result import Result
from cni.versions import WHEN_MISSING, require

#          verb:    (required variables)
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
    "VERSION": (),
}
RUN_DIR = "/run/cni-veth"  # for what a reboot may forget; CNI_VETH_RUN_DIR points it elsewhere
KNOWN_ARGS = ("IgnoreUnknown", "IP", "MAC", "GATEWAY")
_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME = _ALNUM | frozenset("_.-")


class Request:
    """A validated call. `conf` reads the network configuration, `stdin` is its text for delegates.

    `host_link` is what an ADD has named the host's end of the pod's link; "" is unknown.
    """

    __slots__ = (
        "caller", "conf", "container_id", "environ", "host_link", "ifname", "name", "netns", "path", "stdin", "verb",
        "version",
    )  # fmt: skip

    def __init__(
        self, verb: str, environ: dict[str, str], stdin: bytes, config: dict[str, object], caller: Caller | None = None
    ) -> None:
        self.caller = caller or Caller()
        self.verb = verb
        self.environ = environ
        self.stdin = stdin
        self.conf = Section(config)
        self.container_id = environ.get("CNI_CONTAINERID", "")
        self.netns = environ.get("CNI_NETNS", "")
        self.ifname = environ.get("CNI_IFNAME", "")
        self.path = [part for part in environ.get("CNI_PATH", "").split(":") if part]
        self.version = self.conf.string("cniVersion") or WHEN_MISSING
        self.name = self.conf.string("name")
        self.host_link = ""

    @classmethod
    def read(cls, environ: dict[str, str], stdin: bytes, caller: Caller | None = None) -> Request:
        """Decode stdin (6) for an environment that was checked; `validate` is still to be called."""
        config = document.decode(stdin, "the network configuration on stdin")
        return cls(environ["CNI_COMMAND"], environ, stdin, config, caller)

    def validate(self) -> None:
        """Version (1) and network name (7)."""
        require(self.verb, self.version)
        if not self.name:
            raise InvalidConfig("missing network name", 'the network configuration needs a "name"')
        if not is_identifier(self.name):
            raise InvalidConfig("invalid characters found in network name", self.name)

    @property
    def owner(self) -> tuple[str, str]:
        return self.container_id, self.ifname

    @property
    def run_dir(self) -> str:
        return self.environ.get("CNI_VETH_RUN_DIR") or RUN_DIR

    def cni_args(self) -> dict[str, str]:
        """CNI_ARGS as a dict. Raises InvalidEnvironment (4) for a bad pair or an unknown key (CONVENTIONS).

        MAC and IP are known to every plugin: a key meant for another one in the chain is no error.
        """
        found: dict[str, str] = {}
        for pair in self.environ.get("CNI_ARGS", "").split(";"):
            key, equals, value = pair.partition("=")
            if pair and (not equals or "=" in value):
                raise InvalidEnvironment("CNI_ARGS", f"invalid pair {pair!r}", "write KEY=VALUE;KEY=VALUE")
            if pair:
                found[key] = value
        ignore = found.get("IgnoreUnknown", "0").lower()
        if ignore not in ("1", "true", "0", "false"):
            raise InvalidEnvironment("CNI_ARGS", f"IgnoreUnknown={found['IgnoreUnknown']!r} is not a boolean")
        strange = [key for key in found if key not in KNOWN_ARGS and not key.startswith("K8S_")]
        if strange and ignore in ("0", "false"):
            raise InvalidEnvironment("CNI_ARGS", f"unknown args {strange}", "IgnoreUnknown=1 lets them pass")
        return found

    def prev_result(self) -> Result | None:
        """The result of the plugin before (ADD) or of the whole chain (CHECK, DEL)."""
        if not self.conf.has("prevResult"):
            return None
        return Result.from_conf(self.conf.open_section("prevResult"), self.version)

    def valid_attachments(self) -> set[tuple[str, str]] | None:
        """The owners that GC must keep; None where the runtime named none (an absent key, `cnitool gc`).

        CRI-O without pods sends null: it knows of no attachment, so null is an empty list.
        """
        for key in ("cni.dev/valid-attachments", "cni.dev/attachments"):
            if key in self.conf.data:
                items = self.conf.sections(key)
                return {(item.required("containerID"), item.required("ifname")) for item in items}
        return None


def check_environment(environ: dict[str, str]) -> str:
    """The verb; raises InvalidEnvironment (4) naming every missing variable at once."""
    verb = environ.get("CNI_COMMAND", "")
    if not verb:
        raise InvalidEnvironment("CNI_COMMAND", "required env variables [CNI_COMMAND] missing")
    if verb not in REQUIRED:
        raise InvalidEnvironment("CNI_COMMAND", f"unknown CNI_COMMAND: {verb}", "one of " + ", ".join(REQUIRED))
    missing = [name for name in REQUIRED[verb] if not environ.get(name)]
    if missing:
        raise InvalidEnvironment(",".join(missing), f"required env variables [{','.join(missing)}] missing")
    if "CNI_CONTAINERID" in REQUIRED[verb]:
        if not is_identifier(environ["CNI_CONTAINERID"]):
            raise InvalidEnvironment("CNI_CONTAINERID", "invalid characters in containerID", environ["CNI_CONTAINERID"])
        problem = ifname_problem(environ["CNI_IFNAME"])
        if problem:
            raise InvalidEnvironment("CNI_IFNAME", *problem)
    return verb


def is_identifier(text: str) -> bool:
    """The rule for container ids and network names: a letter or digit, then letters, digits, `_`, `.`, `-`."""
    return bool(text) and text[0] in _ALNUM and _NAME.issuperset(text)


def ifname_problem(name: str) -> tuple[str, str] | None:
    """What the kernel's dev_valid_name() would refuse, or change, or None."""
    if name in (".", ".."):
        return "interface name is . or ..", ""
    if any(letter in "/:" or letter.isspace() for letter in name):
        return "interface name contains / or : or whitespace characters", ""
    if "%" in name:
        return "interface name contains %", "the kernel would put a number for %d"
    if not name.isprintable():  # a surrogate stands for a byte that is not UTF-8
        return "interface name contains characters that cannot be printed", ""
    if len(name.encode()) > 15:
        return "interface name is too long", "interface name should be less than 16 characters"
    return None
