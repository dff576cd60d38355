"""Draw transcripts: a page with its lines and texts, a spectrogram with its words.

``arabic`` joins Arabic letters, ``draw`` has text and colours for both kinds of picture, ``page``
and ``spectrogram`` draw them.
"""
