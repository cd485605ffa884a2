"""Draftsmith's PyTorch side: trains, evaluates and exports DFlash drafts for Qwen vision-language targets.

The TypeScript side starts it as ``python -m draftsmith_trainer <job> --config job.json`` and reads JSONL events
from its stdout. This file imports nothing, so that ``--help`` does not load torch.
"""

__version__ = "0.1.0"
