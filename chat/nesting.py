"""How deep JSON text nests, told without parsing it: a parser must not be asked to find out. Pure."""


def is_deeper(text: str, most: int) -> bool:
    """Whether brackets nest more than `most` deep; only text with enough of them is walked."""
    if text.count("[") + text.count("{") <= most:
        return False
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > most:
                return True
        elif character in "]}":
            depth -= 1
    return False
