"""Video files for `smoke-bvm segment`: cut into pictures beside the answers, so that whatever takes pictures takes them too."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from service.cli.pictures import name_tasks, readable
from service.errors import SettingsInvalid
from service.sources.readers.pace import ReadingFailed
from service.sources.spec import SourceSpec

_SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"})


def cut_videos(inputs: Sequence[Path], folder: Path, interval_s: float) -> list[Path]:
    """The inputs, with a frame for each interval in place of each video that is named itself.

    Args:
        inputs: Pictures, folders, videos.
        folder: The frames go below it, as `VIDEO/VIDEO-SECONDS.jpg`; the second video of a name is `VIDEO-2`.
        interval_s: Between two frames.

    Raises:
        SettingsInvalid: A video cannot be read, or PyAV is not there.
    """
    videos = [path for path in dict.fromkeys(inputs) if path.suffix.lower() in _SUFFIXES and not path.is_dir()]
    names = {task.source: task.stem for task in name_tasks(videos)}
    cut: list[Path] = []
    for path in dict.fromkeys(inputs):
        cut.extend(_frames(path, folder / names[path], interval_s) if path in names else [path])
    return cut


def _frames(video: Path, folder: Path, interval_s: float) -> Iterator[Path]:
    try:
        import av

        from service.sources.readers.video import read_video
    except ImportError:
        raise SettingsInvalid(
            f"{readable(video)}: found a video and no PyAV to read it; expected pip install 'smoke-bvm[watch]'"
        ) from None
    first_s: float | None = None
    try:
        for frame in read_video(SourceSpec(video.stem, "", "video", str(video), interval_s, stall_s=interval_s)):
            if frame is not None:
                first_s = frame.captured_s if first_s is None else first_s
                yield _written(folder / f"{folder.name}-{frame.captured_s - first_s:07.1f}.jpg", frame.body)
    except (av.FFmpegError, ReadingFailed) as error:
        raise SettingsInvalid(f"{readable(video)}: {error}; expected a video that FFmpeg reads") from error


def _written(file: Path, body: bytes) -> Path:
    """Left as it is where it is the same: `--resume` goes by when a picture changed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or file.read_bytes() != body:
        file.write_bytes(body)
    return file
