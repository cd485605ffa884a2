"""One module per job: ``run(path, events)`` reads the job file, assembles the parts and prints the result.

Only ``__main__`` imports these modules. They alone connect the training packages with ``reference_server``.
"""
