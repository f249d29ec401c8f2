"""Where a message sends people to see the alarm that it tells of."""

from dataclasses import dataclass

from service.alarms.record import LATEST, alarm_path, picture_path


@dataclass(frozen=True, slots=True)
class AlarmLinks:
    """Links to alarms.

    Attributes:
        public_url: Where people reach the service; "" makes links relative to wherever that is.
        pictures: Whether pictures are kept.
    """

    public_url: str = ""
    pictures: bool = False

    def to(self, alarm_id: str | None) -> dict[str, str]:
        """What a message says of an alarm: its id, where it is shown, and where its latest picture; nothing of none."""
        if alarm_id is None:
            return {}
        links = {"alarm_id": alarm_id, "alarm_url": self._at(alarm_path(alarm_id))}
        return links | (
            {"picture_url": self._at(picture_path(alarm_id, "overlay.jpg", LATEST))} if self.pictures else {}
        )

    def _at(self, path: str) -> str:
        return f"{self.public_url.rstrip('/')}/{path}" if self.public_url else path
