"""What the process of a source tells the one that started it: messages of a head of fixed size and a body."""

import asyncio
import struct
from typing import BinaryIO, Final, Literal, NamedTuple

Word = Literal["ready", "frame", "alive", "failed", "ended"]
_WORDS: Final[dict[Word, int]] = {"ready": 0, "frame": 1, "alive": 2, "failed": 3, "ended": 4}
_NAMES: Final = {number: word for word, number in _WORDS.items()}
_HEAD: Final = struct.Struct("!BdI")
BODY_MAX_BYTES: Final = 64 * 2**20


class Message(NamedTuple):
    """It has started; a frame with its instant; it is there and has none; it failed, in words; there will be no more."""

    word: Word
    captured_s: float = 0.0
    body: bytes = b""


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message and see it off."""
    stream.write(_HEAD.pack(_WORDS[message.word], message.captured_s, len(message.body)) + message.body)
    stream.flush()


async def receive(stream: asyncio.StreamReader) -> Message:
    """Read a message.

    Raises:
        EOFError: The process is gone.
        ValueError: What comes is no message.
    """
    number, captured_s, size = _HEAD.unpack(await stream.readexactly(_HEAD.size))
    if number not in _NAMES or size > BODY_MAX_BYTES:
        raise ValueError(f"found message {number} of {size} bytes, expected one of {len(_NAMES)} kinds")
    return Message(_NAMES[number], captured_s, await stream.readexactly(size))
