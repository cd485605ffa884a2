"""From what a client calls an image to pixels, within limits."""

from __future__ import annotations

import base64
import hashlib
import urllib.request
from http.client import HTTPException, InvalidURL
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from PIL import Image

from ..decode.kept import Kept
from ..decode.vision import PixelImage
from .errors import ApiError, bad_request
from .settings import Settings

#: Seconds for fetching a remote image (SGLang: 3, by environment).
FETCH_TIMEOUT = 3.0
#: Bytes of preprocessed images kept; a conversation sends its earlier screenshots again with every turn.
KEEP_BYTES = 256 << 20


class ImageReader:
    """Reads and preprocesses images with the checkpoint's own processor. Thread-safe."""

    def __init__(self, image_processor: Any, settings: Settings) -> None:
        self._processor = image_processor
        self._settings = settings
        self._kept: Kept[PixelImage] = Kept(KEEP_BYTES)

    def read(self, reference: str, content_hash: str | None = None, index: int = 0) -> PixelImage:
        """One image.

        Args:
            reference: data URI, raw base64, http(s) URL, file:// URL or absolute path.
            content_hash: ``sha256:...`` of the file's bytes, checked when given.
            index: its number in the request, for messages.

        Raises:
            ApiError: when it is not allowed, not there, too large, or not an image.
        """
        data = self._bytes(reference)
        digest = hashlib.sha256(data).hexdigest()
        if content_hash is not None and content_hash != f"sha256:{digest}":
            raise bad_request(
                f"content hash mismatch for media_data[{index}]: expected {content_hash}, got sha256:{digest}"
            )
        known = self._kept.get(digest)
        if known is not None:
            return known
        image = self._preprocess(data, digest)
        self._kept.put(digest, image, image.pixel_values.numel() * image.pixel_values.element_size())
        return image

    def forget(self) -> None:
        """Drops all kept images."""
        self._kept.clear()

    def _preprocess(self, data: bytes, digest: str) -> PixelImage:
        try:
            opened = Image.open(BytesIO(data))
            width, height = opened.size
            if width * height > self._settings.max_image_pixels:
                raise bad_request(
                    f"The image has {width} x {height} pixels; at most {self._settings.max_image_pixels} are accepted."
                )
            # Alpha is dropped and EXIF ignored, as SGLang's Qwen path does.
            picture = opened.convert("RGB")
        except (ApiError, MemoryError):
            raise
        except Exception as error:
            # Pillow's decoders raise nearly anything on damaged files: struct.error, IndexError, zlib.error ...
            raise bad_request(f"Could not decode image: {_reason(error)}") from error
        try:
            out = self._processor(images=[picture], return_tensors="pt")
        except ValueError as error:
            raise bad_request(str(error)) from error
        t, h, w = out["image_grid_thw"][0].tolist()
        return PixelImage(out["pixel_values"], (t, h, w), digest)

    def _bytes(self, reference: str) -> bytes:
        if reference.startswith("data:"):
            return _base64(reference.partition(",")[2])
        if "://" in reference[:16]:
            try:
                url = urlparse(reference)
            except ValueError as error:
                raise bad_request(f"The image's address {reference[:200]!r} is not a URL: {error}") from error
            if url.scheme in ("http", "https"):
                return self._fetch(reference)
            if url.scheme == "file":
                return self._file(Path(unquote(url.path)))
        # Base64 may begin with a slash as a path does (JPEG: "/9j/"); no path is that long.
        if reference.startswith("/") and len(reference) < 4096 and not reference.startswith("/9j/"):
            return self._file(Path(reference))
        return _base64(reference)

    def _file(self, path: Path) -> bytes:
        try:
            resolved = path.resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a null byte, a loop of links
            raise bad_request(f"The image's path {str(path)[:200]!r} cannot be resolved: {error}") from error
        if not any(resolved.is_relative_to(root.resolve()) for root in self._settings.image_roots):
            raise bad_request(f"Images from files are refused: {path} is not below an --image-root of this server.")
        try:
            return resolved.read_bytes()
        except OSError as error:
            # SGLang's artifact path lets this through as an internal error, with this status.
            raise ApiError(500, f"Internal server error: {error}", "InternalServerError") from error

    def _fetch(self, url: str) -> bytes:
        if not self._settings.remote_images:
            raise bad_request("Images from the network are refused: this server runs without --remote-images.")
        try:
            with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT) as response:
                data: bytes = response.read(self._settings.max_body_bytes + 1)
        except (ValueError, InvalidURL) as error:
            raise bad_request(f"The image's address {url[:200]!r} is not a URL: {error}") from error
        except (OSError, HTTPException) as error:
            raise ApiError(500, f"Internal server error: {error}", "InternalServerError") from error
        if len(data) > self._settings.max_body_bytes:
            raise bad_request(f"The image at {url} has more than {self._settings.max_body_bytes} bytes.")
        return data


def _reason(error: Exception) -> str:
    text = str(error)
    return "image file is truncated" if "truncated" in text.lower() else text


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error, or a plain one for characters outside ASCII
        message = str(error)
        raise bad_request("Non-base64 digit found" if "base64 data" in message else message) from error
