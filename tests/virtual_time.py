"""An event loop whose clock jumps to the next timer instead of waiting for it: hours pass in a moment."""

import asyncio
import selectors
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code that awaits timers and nothing from outside, such as threads or sockets."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return super().time() + self._ahead_s

    def jump(self, seconds: float) -> None:
        self._ahead_s += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        if timeout is not None and timeout > 0:
            self._loop.jump(timeout)
            timeout = 0
        return super().select(timeout)
