"""The embedded target: a small qwen3_vl checkpoint trained to operate drawn screens.

Reading order: `draws` (seeded numbers), `font` and `screens` (pictures), `wording` and `task` (dialogues), `tokenizer`
and chat_template.jinja (text to ids), `build` (configs), `inputs` and `fast` (batches, and a batched forward),
`train_target`, `score` and `measure`, `raw` (data for users).
"""
