"""What the server's tests share: pictures, a server without a socket, a server process."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw
from reference_server.serve.context import Context

ROOT = Path(__file__).parents[4]
MODEL = ROOT / "fixtures" / "tiny-gui"


@dataclass
class Local:
    """A server without a socket: requests go straight into the application."""

    context: Context
    client: httpx.AsyncClient

    async def chat(self, messages: list[dict[str, Any]], **more: Any) -> httpx.Response:
        ids = {} if more.get("stream") else {"return_token_ids": True, "return_meta_info": True}
        body = {"messages": messages, "temperature": 0, "max_tokens": 24, **ids, **more}
        return await self.client.post("/v1/chat/completions", json=body)


def picture(seed: int = 0, size: tuple[int, int] = (256, 192)) -> Image.Image:
    """A light screen with two boxes."""
    image = Image.new("RGB", size, (240, 240, 235))
    draw = ImageDraw.Draw(image)
    for n in range(2):
        left, top = (seed * 32 + n * 80) % (size[0] - 64), (seed * 16 + n * 64) % (size[1] - 24)
        draw.rectangle((left, top, left + 63, top + 23), fill=((seed * 70 + n * 90) % 256, 60, 120))
    return image


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "png")
    return out.getvalue()


def data_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def image_part(image: Image.Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_uri(png(image))}}


@dataclass
class Live:
    """A server process."""

    process: subprocess.Popen[str]
    url: str

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src" / "trainer"), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "reference_server", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
