"""The reference target server and the exact greedy decoding under it.

It may import from draftsmith_trainer (the draft's model, errors); the training rooms never import it. Only
``draftsmith_trainer.jobs.evaluate`` joins both: it hands the draft-and-verify loop of ``decode`` to the evaluation.
"""
