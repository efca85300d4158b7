"""One camera as its clients see it."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import OrderedDict

from vosrt.cameras import View
from vosrt.errors import InputError
from vosrt.serve.camera_group import CameraGroup
from vosrt.serve.live_message import live_message
from vosrt.user_input import LARGEST_ID

_MOST_FROZEN = 8  # frames that clients may mark on, the oldest give way


class WatchedCamera:
    """The newest message for all clients, frozen frames, names of objects; used in the server's event loop.

    Args:
        name: of the camera.
        cameras: where it is.
        most_objects: that clients may add: each costs time on every frame.
        reuses_ids: whether a new object has the least free id. Else a removed one's comes last: somebody may
            be correcting it still.
    """

    def __init__(
        self, name: str, cameras: CameraGroup, most_objects: int = LARGEST_ID, *, reuses_ids: bool = False
    ) -> None:
        self.name = name
        self.clients: set[asyncio.Event] = set()
        self.names: dict[int, str] = {}
        self._cameras = cameras
        self._most_objects = most_objects
        self._reuses_ids = reuses_ids
        self._left: dict[int, None] = {}  # ids of removed objects, the last one last
        self._frozen: OrderedDict[int, View] = OrderedDict()
        # Anew in every run: who marks on a frame of an earlier one must not get another picture's.
        self._numbers = itertools.count(secrets.randbelow(2**40))
        self._message: tuple[View, bytes] | None = None
        self._making = asyncio.Lock()

    def wake(self) -> None:
        """Tell every client that there is something new; a client that still sends finds it afterwards."""
        for event in self.clients:
            event.set()

    async def message(self) -> bytes | None:
        """The newest one, made once for all clients; None before the first frame."""
        async with self._making:
            view = self._cameras.view(self.name)
            if view is None:
                return None
            if self._message is None or self._message[0] is not view:
                status, names = self._cameras.status(self.name), dict(self.names)
                made = await asyncio.to_thread(live_message, view, status, names)
                self._message = view, made
            return self._message[1]

    def freeze(self) -> tuple[int, View]:
        """Keep what is shown now, for marks; returns its number.

        Raises:
            InputError: there was no frame yet.
        """
        view = self._shown()
        number = next(self._numbers)
        self._frozen[number] = view
        while len(self._frozen) > _MOST_FROZEN:
            self._frozen.popitem(last=False)
        return number, view

    def frozen(self, number: int | None) -> View:
        """What was frozen, or is shown now.

        Raises:
            InputError: it is gone, or there is none.
        """
        if number is None:
            return self._shown()
        if number not in self._frozen:
            raise InputError("frame", value=number, allowed="one that was frozen", cure="freeze it again")
        return self._frozen[number]

    def new_id(self, name: str | None) -> int:
        """An id that no object has, for one that is to join; its name is known before it is seen.

        Raises:
            InputError: there are as many objects as can be.
        """
        taken = set(self.names) | set(self._cameras.status(self.name)["objects"])
        if len(taken) >= self._most_objects:
            allowed = f"at most {self._most_objects} at once"
            raise InputError("another object", value=len(taken) + 1, allowed=allowed, cure="remove some")
        fresh = [one for one in range(1, LARGEST_ID + 1) if one not in self._left]
        free = next(one for one in (*fresh, *self._left) if one not in taken)
        self.names[free] = name or f"object {free}"
        return free

    def joined(self, object_id: int, name: str) -> None:
        """An object is there, under this name."""
        self.names[object_id] = name
        self._tell()

    def refused(self, object_id: int) -> None:
        """An object that was to join does not; the next one gets its id."""
        self.names.pop(object_id, None)
        self._tell()

    def left(self, object_id: int) -> None:
        """An object is not there any more."""
        if not self._reuses_ids:
            self._left.pop(object_id, None)
            self._left[object_id] = None
        self.refused(object_id)

    def _shown(self) -> View:
        view = self._cameras.view(self.name)
        if view is None:
            raise InputError(f"camera {self.name} has shown nothing yet", cure="wait for its first frame")
        return view

    def _tell(self) -> None:
        """Have all clients hear of objects, though no frame may come any more."""
        self._message = None
        self.wake()
