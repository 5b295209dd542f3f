"""Words that errors share."""

JSON_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def counted(count: int, one: str, many: str) -> str:
    """A count and its noun.

    >>> counted(1, "axis", "axes"), counted(2, "axis", "axes")
    ('1 axis', '2 axes')
    """
    return f"{count} {one if count == 1 else many}"


def json_kind(kind: type) -> str:
    """What JSON calls a type of Python; of one that JSON has not, its name.

    >>> json_kind(type(None)), json_kind(dict), json_kind(bytes)
    ('null', 'an object', 'bytes')
    """
    return JSON_KINDS.get(kind, kind.__name__)
