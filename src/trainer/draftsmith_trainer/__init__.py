"""Draftsmith's tensor room: trains, evaluates, exports and serves DFlash drafts for Qwen vision-language targets.

The TypeScript side starts it as ``python -m draftsmith_trainer <job> --config job.json`` and reads JSONL events
from its stdout. Nothing is imported here, so that ``--help`` answers without loading torch.
"""

__version__ = "0.1.0"
