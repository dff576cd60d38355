"""Choose the decoder of a sound file by its content.

Two libraries share the work. libsndfile (soundfile) reads WAV, FLAC and AIFF, with exact seeking.
FFmpeg (PyAV) reads everything else: m4a, webm, wma, the sound of videos. It also reads two formats
that libsndfile 1.2 does not serve well: MP3 (libmpg123 writes to the terminal) and Ogg (a file
without its end is empty, and seeks in the last page go astray).
"""

from __future__ import annotations

from typing import Any, BinaryIO

from recog.media.audio.data_extent import PatchedFile, extent_of
from recog.media.audio.decoder import Decoder
from recog.media.audio.ffmpeg import FfmpegDecoder
from recog.media.audio.file_kind import Kind, file_size, is_whole, sniff
from recog.media.audio.sndfile import SndfileDecoder, sndfile_info
from recog.media.errors import MediaError


def open_decoder(file: BinaryIO, name: str, channel: int | None) -> Decoder:
    """Open the decoder of a seekable file.

    Raises:
        MediaError: the file is empty, or neither library reads it as sound.
    """
    if file_size(file) == 0:
        raise MediaError(f"{name} is empty")
    kind = sniff(file)
    extent = extent_of(file, kind)
    remark = None
    if extent is not None:
        if extent.announced == 0 or extent.present <= 0:
            raise MediaError(f"{name} holds no sound")
        if extent.is_contradicted:
            remark = (
                f"has a header that states {extent.announced:,} bytes of sound, and there are "
                f"{extent.present:,}: "
                "all of them were read"
            )
    # A file with another size than its header states: libsndfile goes by the file, but not for WAV.
    patched = extent is not None and extent.patch is not None
    patched_file: Any = (
        file
        if extent is None or extent.patch is None
        else PatchedFile(file, extent.end, extent.patch)
    )
    is_cut = not is_whole(file, kind) or (extent is not None and extent.is_cut)
    is_mpeg = kind is Kind.MPEG or (extent is not None and extent.is_mpeg)
    if not (is_mpeg or (patched and kind is Kind.WAV) or kind is Kind.OGG):
        info = sndfile_info(patched_file)
        if info is not None:
            return SndfileDecoder(
                patched_file, name, channel, kind=kind, is_cut=is_cut, remark=remark, **info
            )
    return FfmpegDecoder(
        patched_file, name, channel, kind=kind, is_cut=is_cut, header_remark=remark
    )
