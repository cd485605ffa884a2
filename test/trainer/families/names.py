"""The named targets and what is special about each one's snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[3]
TARGETS = ROOT / "test" / "model" / "targets"
TEMPLATES = ROOT / "test" / "tokens" / "templates"

#: ``hub``: as published. ``saved``: as save_pretrained of the installed transformers writes it. ``fp8``: as published,
#: with block-scaled weights.
Form = Literal["hub", "saved", "fp8"]
FORMS: tuple[Form, ...] = ("hub", "saved", "fp8")


@dataclass(frozen=True)
class Family:
    """A named target.

    Attributes:
        name: directory of its config in test/model/targets.
        template: file in test/tokens/templates.
        keeps_thoughts: whether the template has ``preserve_thinking``.
        thinks: whether its prompts end with an open thought.
        shards: pattern of the weight files' names, with their number and count.
        template_file: where the snapshot keeps the template, beside tokenizer_config.json.
    """

    name: str
    template: str
    thinks: bool
    keeps_thoughts: bool = False
    shards: str = "model-{:05d}-of-{:05d}.safetensors"
    template_file: Literal["chat_template.json", "chat_template.jinja"] = "chat_template.jinja"

    @property
    def config(self) -> Path:
        """The published config.json."""
        return TARGETS / self.name / "config.json"

    @property
    def generation(self) -> Path:
        """The published generation_config.json."""
        return TARGETS / self.name / "generation_config.json"

    def template_text(self) -> str:
        """The chat template."""
        text = (TEMPLATES / f"{self.template}.jinja").read_text("utf-8")
        if not self.keeps_thoughts:
            return text
        condition = "loop.index0 > marks.last"
        assert text.count(condition) == 1
        return text.replace(condition, f"(preserve_thinking is defined and preserve_thinking) or {condition}")


_Q35_SHARDS = "model.safetensors-{:05d}-of-{:05d}.safetensors"

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("qwen3-vl-8b-instruct", "instruct", thinks=False, template_file="chat_template.json"),
        Family("qwen3-vl-30b-a3b-thinking", "vl-thinking", thinks=True, template_file="chat_template.json"),
        Family("qwen3.5-9b", "thinking", thinks=True, shards=_Q35_SHARDS),
        Family("qwen3.5-35b-a3b", "thinking", thinks=True, shards=_Q35_SHARDS),
        Family("qwen3.6-35b-a3b", "thinking", thinks=True, keeps_thoughts=True),
        Family("qwen3.8-27b", "thinking", thinks=True, keeps_thoughts=True),
    )
}
