"""Which of a camera's views its frames show, told from the pictures: whether it was moved or turned, and whether it came back.

Views are held against each other by their edges, within a shake of a twentieth: between frames a minute apart two real cameras gave at
least .93 (half an hour apart .94), parts of their frames side by side, as presets would show them, at most .37. A frame that looks like
another known view shows that one at once. One that looks like none is taken for a passing thing, until three in a row look alike: then
it is a new view.
"""

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from service.cameras.storage.arrays import SingleArray

_VIEW_PX: Final = 80
_SHAKE_PX: Final = 4
_SAME_VIEW: Final = 0.7
NEW_AFTER: Final = 3
"""Frames in a row that make a new view."""
SCENES_MAX: Final = 8
"""Most views that are told apart; beyond that the one shown longest ago is no longer known."""
_FOUND: Final = "auto-"

Edges = SingleArray


def view_edges(thumbnail: npt.NDArray[np.uint8]) -> Edges:
    """Where the grey level changes, and how much: (80, 80), the root taken so that a few strong edges do not decide."""
    small = cv2.resize(thumbnail, (_VIEW_PX, _VIEW_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt(np.hypot(across, down)), np.float32)


def same_view(one: Edges, other: Edges) -> bool:
    """Whether two pictures show the same, give or take a shake."""
    middle = one[_SHAKE_PX:-_SHAKE_PX, _SHAKE_PX:-_SHAKE_PX]
    return float(cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED).max()) >= _SAME_VIEW


def was_found(view: str) -> bool:
    """Whether a view was told from pictures, or is the first of those: frames that name a view name another."""
    return not view or view.startswith(_FOUND)


@dataclass(slots=True)
class SceneTracker:
    """The views of one camera that were found so far: the first is named "", the next ones auto-2, auto-3.

    Attributes:
        showing: The one that its last frame showed.
        lasting: Frames in a row that looked like none.
    """

    showing: str = ""
    lasting: int = 0
    _known: dict[str, Edges] = field(default_factory=dict)
    _strange: Edges | None = None
    _found: int = 1

    def take(self, edges: Edges) -> bool:
        """Take the next frame in; whether it shows another view than before."""
        for name in (self.showing, *reversed([known for known in self._known if known != self.showing])):
            if name in self._known and same_view(edges, self._known[name]):
                return self._show(name, edges)
        if not self._known:
            return self._show("", edges)
        alike = self._strange is not None and same_view(edges, self._strange)
        self._strange, self.lasting = edges, self.lasting + 1 if alike else 1
        if self.lasting < NEW_AFTER:
            return False
        self._found += 1
        return self._show(f"{_FOUND}{self._found}", edges)

    def _show(self, name: str, edges: Edges) -> bool:
        """The frame shows this view, as it looks now; the views are kept in the order in which they were last shown."""
        changed, self.showing = name != self.showing, name
        self._known.pop(name, None)
        self._known[name] = edges
        self._strange, self.lasting = None, 0
        if len(self._known) > SCENES_MAX:
            del self._known[next(iter(self._known))]
        return changed
