"""The sandbox: `python -m media.sandbox DECODER` reads one picture from its input and writes clean ones to its output.

Danger. Everything behind this line is assumed to be in the sender's hands, so its answer is a stranger's answer too.

Principle. Confined before the first byte is read. The answer is one frame: 4 bytes of length, a JSON head, then the
files whose lengths the head names. A refusal is a head alone, with a code. Anything else, a death included,
counts as "cannot be read".
"""

import json
import sys

from media import confinement, images

INPUT_LIMIT = 64 << 20


def main(decoder: str) -> None:
    """Serve one picture and end."""
    images.prepare()
    confinement.confine()
    content = sys.stdin.buffer.read(INPUT_LIMIT)
    try:
        answer = _frame(images.rework(content, decoder))
    except images.Unfit as unfit:
        answer = _head({"answer": "refused", "refused": str(unfit)})
    except MemoryError:
        answer = _head({"answer": "refused", "refused": "too_many_pixels"})
    except Exception:  # whatever a decoder makes of hostile bytes; the text may quote them and goes nowhere
        answer = _head({"answer": "refused", "refused": "unreadable"})
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def _frame(picture: images.Picture) -> bytes:
    head: dict[str, object] = {
        "answer": "picture",
        "width": picture.width,
        "height": picture.height,
        "frames": picture.frames,
        "taken": picture.taken,
        "media_type": picture.media_type,
        "placeholder": picture.placeholder,
        "view": len(picture.view),
        "thumb": len(picture.thumb),
    }
    return _head(head) + picture.view + picture.thumb


def _head(head: dict[str, object]) -> bytes:
    encoded = json.dumps(head).encode()
    return len(encoded).to_bytes(4, "big") + encoded


if __name__ == "__main__":
    main(sys.argv[1])
