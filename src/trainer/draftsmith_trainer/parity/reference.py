"""One model directory, opened by transformers, and the questions that parity tests put to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from PIL import Image
from transformers import AutoProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
from transformers.utils.chat_template_utils import render_jinja_template


class Reference:
    """Wraps ``AutoProcessor``; every method takes and returns plain JSON values."""

    def __init__(self, model: str) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(model)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Dispatches on ``kind``: chat, texts, decode, sizes, template. A refusal comes back as ``error``."""
        kinds = {
            "chat": self._chat,
            "texts": self._texts,
            "decode": self._decode,
            "sizes": self._sizes,
            "template": self._template,
        }
        try:
            return kinds[question["kind"]](question)
        except Exception as error:  # what the reference refuses is an answer too
            return {"error": f"{type(error).__name__}: {error}"}

    def _chat(self, question: dict[str, Any]) -> dict[str, Any]:
        """Renders and processes one chat.

        Question: messages (as a template sees them), images ([width, height] each), tools, kwargs, generationPrompt.
        Answer: text, ids [S], types [S], grid [images][3]. Pixels are blank: nothing asked here depends on them.
        """
        processor = self._processor
        text = processor.apply_chat_template(
            question["messages"],
            tokenize=False,
            add_generation_prompt=question["generationPrompt"],
            tools=question.get("tools"),
            **question.get("kwargs", {}),
        )
        images = [_blank(width, height) for width, height in question.get("images", [])]
        fields = processor(text=[text], images=images or None)
        grid = fields["image_grid_thw"].tolist() if images else []
        return {"text": text, "ids": fields["input_ids"][0], "types": fields["mm_token_type_ids"][0], "grid": grid}

    def _texts(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ids of each text, as SGLang's chat endpoint encodes a rendered prompt."""
        return {"ids": [self._processor.tokenizer.encode(text) for text in question["texts"]]}

    def _decode(self, question: dict[str, Any]) -> dict[str, Any]:
        return {"texts": [self._processor.tokenizer.decode(ids) for ids in question["ids"]]}

    def _sizes(self, question: dict[str, Any]) -> dict[str, Any]:
        """The size after the processor's resize for each [width, height]; null where it refuses."""
        processor = self._processor.image_processor
        rule = question.get("rule") or {
            "factor": processor.patch_size * processor.merge_size,
            "min_pixels": processor.size["shortest_edge"],
            "max_pixels": processor.size["longest_edge"],
        }
        resized: list[list[int] | None] = []
        for width, height in question["sizes"]:
            try:
                new_height, new_width = smart_resize(height, width, **rule)
                resized.append([new_width, new_height])
            except ValueError:
                resized.append(None)
        return {"sizes": resized}

    def _template(self, question: dict[str, Any]) -> dict[str, Any]:
        """Renders a template given as text, in the very environment that transformers uses for chats."""
        variables = dict(question["variables"])
        messages = variables.pop("messages", [])
        rendered, _ = render_jinja_template([messages], chat_template=question["template"], **variables)
        return {"text": rendered[0]}


@lru_cache(maxsize=64)
def _blank(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height))
