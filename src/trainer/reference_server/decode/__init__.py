"""Exact greedy decoding with a KV cache over transformers' Qwen vision-language models, plain and speculative.

From the bottom: ``rows`` (which matrix shapes give the same bits), ``cache`` and ``attention`` (sequences of different
length side by side), ``prompt`` and ``vision`` (what goes in), ``decoder`` (one forward), ``batch`` (sequences that
come and go), ``prefix_cache``; on top ``greedy``, ``speculative`` and, for a server, ``scheduler``.
"""
