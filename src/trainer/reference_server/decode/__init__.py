"""Exact greedy decoding with a KV cache of Qwen vision-language models, plain and speculative.

Bottom up: ``linear`` and ``rows`` (matrix products, and the shapes that give reproducible bits), ``cache`` and
``attention`` (a batch of sequences of different lengths), ``layers`` and ``forward`` (the text model over them),
``tower`` and ``vision`` (images), ``prompt`` (the inputs), ``decoder`` (one forward pass), ``batch`` (sequences that
join and leave), ``prefix_cache``, ``drafters`` and ``drafting`` (the blocks of all sequences at once); on top of them
``greedy``, ``speculative`` and, for a server, ``scheduler``.
"""
