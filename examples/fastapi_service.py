"""vosrt inside a web service of one's own: `python examples/fastapi_service.py 0`, then

curl -X POST 'http://127.0.0.1:8001/objects/1?x0=40&y0=20&x1=120&y1=90'
curl http://127.0.0.1:8001/objects
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import cv2
import uvicorn
from fastapi import FastAPI, HTTPException, Response

from vosrt import Error, Segmenter
from vosrt.cameras import Cameras, View
from vosrt.serve.camera_list import camera


def build_service(address: str, bundle: str = "cfbi-lite-davis") -> FastAPI:
    """The service of one camera."""
    cameras: list[Cameras] = []

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        segmenter = await asyncio.to_thread(Segmenter, bundle)
        with Cameras(segmenter, {"camera": camera(address)}) as opened:
            cameras.append(opened)
            yield

    def view() -> View:
        shown = cameras[0].view("camera")
        if shown is None:
            raise HTTPException(503, "the camera has shown nothing yet")
        return shown

    app = FastAPI(title="objects in view", lifespan=life)

    @app.get("/objects")
    def objects() -> dict[int, dict[str, object]]:
        result = view().result
        return {
            object_id: {"area": int((result.labels == object_id).sum()), "lost": object_id in result.lost}
            for object_id in result.ids
        }

    @app.post("/objects/{object_id}")
    async def follow(object_id: int, x0: int, y0: int, x1: int, y1: int) -> list[int]:
        asked = cameras[0].mark("camera", view().frame.image, boxes={object_id: (x0, y0, x1, y1)})
        try:
            return list((await asyncio.wrap_future(asked)).ids)
        except Error as error:  # a box outside the frame, for one
            raise HTTPException(422, str(error)) from error

    @app.get("/labels.png")
    def labels() -> Response:
        encoded = cv2.imencode(".png", view().result.labels)[1]
        return Response(encoded.tobytes(), media_type="image/png")

    return app


if __name__ == "__main__":
    uvicorn.run(build_service(sys.argv[1]), host="127.0.0.1", port=8001)
