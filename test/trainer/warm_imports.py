"""What a training job imports, for the server that jobs are forked from. Nothing here may run a tensor operation."""

import draftsmith_trainer.jobs.evaluate
import draftsmith_trainer.jobs.export
import draftsmith_trainer.jobs.train  # noqa: F401
from transformers import AutoImageProcessor, AutoModelForImageTextToText, Qwen3VLForConditionalGeneration  # noqa: F401
from transformers.models.qwen2_vl import image_processing_qwen2_vl  # noqa: F401
