"""Long texts cut to a length, with a mark where something is left out."""


def short(text: str, limit: int) -> str:
    """At most `limit` characters, and how many more there are."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more)"


def ending(text: str, limit: int, lines: int = 0) -> str:
    """The last `limit` characters at most, of `lines` lines where that is given, and how many more are before them."""
    rest = "\n".join(text.splitlines()[-lines:]) if lines else text
    if len(rest) > limit:
        rest = rest[-limit:]
        rest = rest.partition("\n")[2] or rest
    return rest if len(rest) == len(text) else f"({len(text) - len(rest)} more) …{rest}"
