"""One model directory, opened by transformers, and the questions that parity tests put to it."""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as video_smart_resize
from transformers.utils.chat_template_utils import render_jinja_template

from .pictures import decoded, processed
from .rows import row_against_processor


class Reference:
    """Wraps ``AutoProcessor``; every method takes and returns plain JSON values."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._processor: Any = AutoProcessor.from_pretrained(model)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Dispatches on ``kind`` (see below). A refusal comes back as ``error``."""
        kinds = {
            "chat": self._chat,
            "texts": self._texts,
            "decode": self._decode,
            "sizes": self._sizes,
            "videoSizes": self._video_sizes,
            "rope": self._rope,
            "row": self._row,
            "settings": self._settings,
            "save": self._save,
            "version": self._version,
            "template": self._template,
            "decoded": decoded,
            "processed": self._processed,
        }
        try:
            return kinds[question["kind"]](question)
        except Exception as error:  # what the reference refuses is an answer too
            return {"error": f"{type(error).__name__}: {error}"}

    def _chat(self, question: dict[str, Any]) -> dict[str, Any]:
        """Renders and processes one chat.

        Question: messages (as a template sees them), images ([width, height] each), videos (frames, width, height, fps,
        indices), tools, kwargs, generationPrompt. Answer: text, ids [S], types [S], grid [images][3],
        videoGrid [videos][3], positions (see ``_rope``). Pixels are blank: nothing asked here depends on them.
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
        videos = question.get("videos", [])
        given: dict[str, Any] = {}
        if videos:
            given["videos"] = [[_blank(video["width"], video["height"])] * video["frames"] for video in videos]
            given["do_sample_frames"] = False
            given["video_metadata"] = [
                {"fps": video["fps"], "total_num_frames": video["frames"], "frames_indices": list(video["indices"])}
                for video in videos
            ]
        fields = processor(text=[text], images=images or None, **given)
        answer = {
            "text": text,
            "ids": fields["input_ids"][0],
            "types": fields["mm_token_type_ids"][0],
            "grid": fields["image_grid_thw"].tolist() if images else [],
            "videoGrid": fields["video_grid_thw"].tolist() if videos else [],
        }
        if question.get("positions"):
            answer |= self._rope(answer)
        return answer

    def _row(self, question: dict[str, Any]) -> dict[str, Any]:
        return row_against_processor(Path(self._model), self._processor, question)

    def _processed(self, question: dict[str, Any]) -> dict[str, Any]:
        return processed(self._model, question)

    @cached_property
    def _model_without_weights(self) -> Any:
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(self._model)).model

    def _rope(self, question: dict[str, Any]) -> dict[str, Any]:
        """What ``get_rope_index`` makes of ids [S], types [S], grid and videoGrid.

        Answer: the sha256 of the positions (int64 [3, 1, S]), as they are long, and the delta.
        """
        if not question["ids"]:
            return {"positions": "none", "delta": 0}
        positions, delta = self._model_without_weights.get_rope_index(
            torch.tensor([question["ids"]]),
            torch.tensor([question["types"]]),
            torch.tensor(question["grid"]) if question["grid"] else None,
            torch.tensor(question["videoGrid"]) if question["videoGrid"] else None,
        )
        digest = hashlib.sha256(positions.contiguous().numpy().tobytes()).hexdigest()
        return {"positions": digest, "delta": int(delta.item())}

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

    def _video_sizes(self, question: dict[str, Any]) -> dict[str, Any]:
        """The size after the video processor's resize for each [frames, width, height]; null where it refuses."""
        resized: list[list[int] | None] = []
        for frames, width, height in question["sizes"]:
            try:
                new_height, new_width = video_smart_resize(frames, height, width, **question["rule"])
                resized.append([new_width, new_height])
            except ValueError:
                resized.append(None)
        return {"sizes": resized}

    def _settings(self, _question: dict[str, Any]) -> dict[str, Any]:
        """What the processors hold once loaded, in the toolkit's names."""
        return {
            "image": _settings_of(self._processor.image_processor),
            "video": {
                **_settings_of(self._processor.video_processor),
                "capPixelsPerFrame": bool(self._processor.video_processor.cap_pixels_per_frame),
                "maxVideoTokens": self._processor.video_processor.max_video_tokens,
            },
            "template": self._processor.tokenizer.chat_template,
            "special": {
                name: getattr(self._processor.tokenizer, name)
                for name in ("bos_token", "eos_token", "unk_token", "pad_token")
            },
            "tokenizerClass": type(self._processor.tokenizer).__name__,
        }

    def _save(self, question: dict[str, Any]) -> dict[str, Any]:
        """Writes processor and config to ``directory`` in this version's own form."""
        self._processor.save_pretrained(question["directory"])
        AutoConfig.from_pretrained(self._model).save_pretrained(question["directory"])
        return {}

    def _version(self, _question: dict[str, Any]) -> dict[str, Any]:
        return {"transformers": transformers.__version__}

    def _template(self, question: dict[str, Any]) -> dict[str, Any]:
        """Renders a template given as text, in the very environment that transformers uses for chats."""
        variables = dict(question["variables"])
        messages = variables.pop("messages", [])
        rendered, _ = render_jinja_template([messages], chat_template=question["template"], **variables)
        return {"text": rendered[0]}


def _settings_of(processor: Any) -> dict[str, Any]:
    return {
        "patchSize": processor.patch_size,
        "mergeSize": processor.merge_size,
        "temporalPatchSize": processor.temporal_patch_size,
        "minPixels": processor.size["shortest_edge"],
        "maxPixels": processor.size["longest_edge"],
        "imageMean": list(processor.image_mean),
        "imageStd": list(processor.image_std),
        "rescaleFactor": processor.rescale_factor,
    }


@lru_cache(maxsize=64)
def _blank(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height))
