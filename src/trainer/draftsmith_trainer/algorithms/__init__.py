"""Drafting algorithms: each extends the backbone of ``draft`` behind one interface, and is looked up by name.

Training, evaluation, export and the reference server use an algorithm through these modules only: ``settings``
(configs; needs no torch), ``registry`` (:class:`.algorithm.Algorithm` by name), ``drafts`` (new drafts, and drafters),
``store`` (draft directories), ``contract`` (whether a draft fits a target, and whether engines can serve it).

To add an algorithm, write a package with a subclass of :class:`..draft.config.AlgorithmConfig` and one of
:class:`.algorithm.Algorithm`, and list them in ``settings`` and ``registry``.
"""
