"""Exact greedy decoding with a KV cache of Qwen vision-language models, plain and speculative.

From the bottom: ``linear`` and ``rows`` (products, and which matrix shapes give the same bits), ``cache`` and
``attention`` (sequences of different length side by side), ``layers`` and ``forward`` (the text model over them),
``tower`` and ``vision`` (pictures), ``prompt`` (what goes in), ``decoder`` (one forward), ``batch`` (sequences that
come and go), ``prefix_cache``, ``drafters`` and ``drafting`` (blocks of all sequences at once); on top ``greedy``,
``speculative`` and, for a server, ``scheduler``.
"""
