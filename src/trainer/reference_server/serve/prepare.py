"""Requests become prompts: ids with placeholders expanded, pixels, positions. Runs in worker threads."""

from __future__ import annotations

from collections.abc import Sequence

from draftsmith_trainer.base.errors import UserError

from ..decode.decoder import Decoder
from ..decode.prompt import Prompt
from ..decode.vision import PixelImage
from .checkpoint import Checkpoint
from .errors import bad_request
from .images import ImageReader
from .protocol import ChatRequest, ImageUrl
from .render import Renderer, image_urls


class Preparer:
    """Shares the tokenizer and the image processor between requests."""

    def __init__(self, checkpoint: Checkpoint, renderer: Renderer, images: ImageReader) -> None:
        self._target: Decoder = checkpoint.target
        self._renderer = renderer
        self._images = images

    def chat(self, request: ChatRequest) -> Prompt:
        """The prompt of a chat request. With ``input_ids`` messages and images do not matter, as in SGLang."""
        if request.input_ids is not None:
            return self._prompt(request.input_ids, [])
        tools = None if request.tool_choice == "none" else request.tools
        ids = self._renderer.chat(
            request.messages,
            tools,
            request.chat_template_kwargs,
            request.add_generation_prompt,
            request.continue_final_message,
        )
        return self._prompt(ids, image_urls(request.messages))

    def generate(self, text: str | None, input_ids: list[int] | None, images: Sequence[str]) -> Prompt:
        """The prompt of /generate: ids win over text when both are given, as in SGLang."""
        if text is None and input_ids is None:
            raise bad_request("Either text, input_ids or input_embeds should be provided.")
        ids = list(input_ids) if input_ids is not None else self._renderer.text(text or "")
        if not ids:
            raise bad_request("input_ids cannot be empty.")
        return self._prompt(ids, [ImageUrl(url=one) for one in images])

    def _prompt(self, ids: list[int], urls: list[ImageUrl]) -> Prompt:
        images = [self._images.read(url.url, url.content_hash, index) for index, url in enumerate(urls)]
        try:
            prompt = self._target.prompt(self._expand(ids, images), images)
        except UserError as error:
            raise bad_request(error.message) from error
        for image in images:
            # Here rather than at prefill: on two cores this halves what the decoding thread has to wait for.
            self._target.vision.encode(image)
        return prompt

    def _expand(self, ids: list[int], images: list[PixelImage]) -> list[int]:
        """Repeats each placeholder as often as its image has features; without images a placeholder is just a token."""
        if not images:
            return ids
        pad = self._target.config.image_token_id
        merge = self._target.config.vision_config.spatial_merge_size**2
        found = ids.count(pad)
        if found != len(images):
            # SGLang 0.5.23 says this in chat; for /generate with ids it passes over the difference in silence.
            raise bad_request(f"Prompt has {found} image placeholders but {len(images)} image inputs were provided")
        counts = iter(image.grid[0] * image.grid[1] * image.grid[2] // merge for image in images)
        out: list[int] = []
        for token in ids:
            out.extend([pad] * next(counts) if token == pad else [token])
        return out
