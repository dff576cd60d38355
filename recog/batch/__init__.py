"""Run a model on many files: inputs, engines, progress and results.

``files`` collects the inputs; ``remote`` reads and writes those by URL. ``work`` recognises a file,
the same in every engine, and ``outputs`` makes the files that are written for it. ``pool`` is the
engine of one machine, ``ray_engine`` that of a Ray cluster. ``progress`` shows how far the batch
is, ``failures`` lists the files that failed, and ``interruption`` handles Ctrl-C.
"""
