"""Drafting algorithms: what each adds to the backbone of ``draft``, under one interface, found by name.

Training, evaluation, export, the reference server and draft directories reach an algorithm through these modules only:
``settings`` (configs; needs no torch), ``registry`` (:class:`.algorithm.Algorithm` by name), ``drafts`` (new ones, and
drafters), ``store`` (directories), ``contract`` (does a draft fit a target, would engines serve it).

To add an algorithm, write a package with a subclass of :class:`..draft.config.AlgorithmConfig` and one of
:class:`.algorithm.Algorithm`, and list them in ``settings`` and ``registry``.
"""
