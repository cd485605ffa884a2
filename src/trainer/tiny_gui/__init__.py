"""The embedded target: a small qwen3_vl checkpoint, trained to operate synthetic screens.

Reading order: `draws` (seeded random numbers), `font` and `screens` (screenshots), `wording` and `task` (dialogues),
`tokenizer` and chat_template.jinja (text to ids), `build` (configs), `inputs` and `fast` (batches and a batched forward
pass), `train_target`, `score` and `measure`, `raw` (demo data for users).
"""
