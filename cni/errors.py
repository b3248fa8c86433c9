"""The one exception that crosses module borders.

    CNIError (999: a failure without a better code)
    ├── IncompatibleVersion     1  cniVersion that this plugin or verb does not speak
    ├── UnsupportedField        2  a field that is refused; message holds key and value
    ├── UnknownContainer        3  nothing is known of the container; no clean-up needed
    ├── InvalidEnvironment      4  a CNI_* variable; message holds its name
    ├── IOFailure               5  stdin, the store, another file
    ├── DecodingFailure         6  JSON or a version string that cannot be read
    ├── InvalidConfig           7  a network configuration that cannot work
    ├── DelegateMissing         7  an InvalidConfig: CNI_PATH does not hold the plugin
    ├── InvalidNetns            8  CNI_NETNS is not a usable network namespace
    ├── TryAgainLater          11  a transient condition, the same call may succeed
    ├── PluginNotAvailable     50  STATUS: no ADD can succeed now
    ├── LimitedConnectivity    51  STATUS: nor may existing containers be well
    ├── KernelRefused         100  a netlink request or sysctl write was refused
    ├── InterfaceConflict     101  a link of that name stands in the way
    ├── AddressUnavailable    102  no address free, or the one asked for is taken
    ├── CheckFailed           103  CHECK found differences; details lists them all
    └── DelegateFailed          *  a delegate's own error, passed on with its own code

Source: CNI SPEC 1.1.0, section 5 "Error"; codes 100 and above are the plugin's own.
"""

from __future__ import annotations

from os import strerror


class CNIError(Exception):
    """An error that ends a verb. `msg` says what failed, `details` why and what to do."""

    code = 999

    def __init__(self, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.msg = msg
        self.details = details

    def to_json(self, version: str) -> dict[str, object]:
        """The error document of SPEC section 5."""
        return {"cniVersion": version, "code": self.code, "msg": self.msg, "details": self.details}


class IncompatibleVersion(CNIError):
    code = 1


class UnsupportedField(CNIError):
    """SPEC: the message must contain the key and the value."""

    code = 2

    def __init__(self, key: str, value: object, details: str = "") -> None:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
        super().__init__(f"unsupported field {key} = {text}", details)


class UnknownContainer(CNIError):
    code = 3


class InvalidEnvironment(CNIError):
    """SPEC: the message must contain the names of the invalid variables."""

    code = 4

    def __init__(self, names: str, problem: str, details: str = "") -> None:
        super().__init__(problem if names in problem else f"{names}: {problem}", details)


class IOFailure(CNIError):
    code = 5


class DecodingFailure(CNIError):
    code = 6


class InvalidConfig(CNIError):
    code = 7


class DelegateMissing(InvalidConfig):
    pass


class InvalidNetns(CNIError):
    code = 8


class TryAgainLater(CNIError):
    code = 11


class PluginNotAvailable(CNIError):
    code = 50


class LimitedConnectivity(CNIError):
    code = 51


class KernelRefused(CNIError):
    """A netlink request or sysctl write failed; `errno` is for the caller, the text for the person."""

    code = 100

    def __init__(self, what: str, errno: int, kernel_text: str = "") -> None:
        super().__init__(f"cannot {what}: {strerror(errno)}", kernel_text)
        self.errno = errno


class InterfaceConflict(CNIError):
    code = 101


class AddressUnavailable(CNIError):
    code = 102


class CheckFailed(CNIError):
    """Carries every difference found; `details` has them one a line where there are several."""

    code = 103

    def __init__(self, differences: list[str]) -> None:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        super().__init__(f"CHECK failed: {differences[0]}{more}", "\n".join(differences) if more else "")
        self.differences = differences


class DelegateFailed(CNIError):
    """A delegate's error, with the code that the delegate gave."""

    def __init__(self, code: int, msg: str, details: str = "") -> None:
        super().__init__(msg, details)
        self.code = code
