"""Many files through a model: what goes in and where it comes out, in which processes, with what
said on the way.

``files`` collects the inputs and writes results whole; ``work`` is what happens to one file, the
same in every engine; ``pool`` runs it in processes of this machine; ``progress`` and ``failures``
tell how it goes and went.
"""
