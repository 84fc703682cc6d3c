# SPDX-License-Identifier: Apache-2.0
from types import TracebackType
from typing import Any, Callable, Optional, Type, TypedDict, TypeVar, final

_F = TypeVar('_F', bound=Callable[..., Any])

__version__: str

class _Stats(TypedDict):
    mode: str
    recording: bool
    stopped: bool
    file: Optional[str]
    file_bytes: int
    events: int
    lost: int
    snapshots: int
    watched: int
    watch_off: Optional[str]

def mark(label: str) -> None: ...
def snapshot(label: Optional[str] = None) -> Optional[int]: ...
def watch(object: object) -> bool: ...
def start() -> bool: ...
def stop() -> bool: ...
def flush() -> None: ...
def stats() -> _Stats: ...

@final
class region:
    def __init__(self, label: str) -> None: ...
    @property
    def label(self) -> str: ...
    def __enter__(self) -> region: ...
    def __exit__(
        self,
        kind: Optional[Type[BaseException]] = None,
        value: Optional[BaseException] = None,
        traceback: Optional[TracebackType] = None,
    ) -> None: ...
    def __call__(self, function: _F) -> _F: ...
