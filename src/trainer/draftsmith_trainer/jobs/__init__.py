"""One module per job: ``run(path, events)`` reads the job file, puts the parts together and prints the result.

Only ``__main__`` imports these modules. They are the one place that joins the training rooms with ``reference_server``.
"""
