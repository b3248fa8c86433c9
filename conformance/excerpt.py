"""Long texts cut to a length, with a mark where something is left out."""


def short(text: str, limit: int) -> str:
    """At most `limit` characters, and how many more there are."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more)"


def ending(text: str, limit: int) -> str:
    """The last `limit` characters at most, from the beginning of a line where there is one, and how many are before."""
    if len(text) <= limit:
        return text
    rest = text[-limit:]
    rest = rest.partition("\n")[2] or rest
    return f"({len(text) - len(rest)} before) …{rest}"
