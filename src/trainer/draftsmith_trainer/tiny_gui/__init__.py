"""The embedded target: a small qwen3_vl checkpoint trained to operate drawn screens.

Reading order: `draws` (seeded numbers), `font` and `screens` (pictures), `wording` and `task` (dialogues), `tokenizer` and
`template` (text to ids), `build` (configs), `fast` (batched forward), `train_target`, `score` and `measure`, `raw` (data for users).
"""
