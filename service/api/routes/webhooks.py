"""What the service sends of its own accord, as a receiver would offer it: for the document, nothing is served here."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header

from service.api.schemas.cameras import CameraEventBody
from service.api.schemas.notifications import MqttStateBody, WebhookBody

router = APIRouter()
_REFUSED: Final[dict[int | str, dict[str, Any]]] = {"4XX": {"description": "Not taken."}}


@router.post(
    "alarm",
    summary="An alarm or a review begins or ends",
    operation_id="alarm_by_webhook",
    status_code=204,
    responses=_REFUSED,
)
async def alarm(
    body: WebhookBody,
    webhook_id: Annotated[str, Header(description="The change; the same for each attempt.")],
    webhook_timestamp: Annotated[int, Header(description="When it was signed, in seconds since 1970.")],
    webhook_signature: Annotated[
        str, Header(description="`v1,` and the base64 of HMAC-SHA256(key, id + `.` + timestamp + `.` + body).")
    ],
) -> None:
    """Posted to SMOKE_WEBHOOK_URL and signed as Standard Webhooks 1.0 says, until any 2xx is the answer."""


@router.post(
    "camera-state",
    summary="A camera's state, over MQTT",
    operation_id="camera_state_by_mqtt",
    status_code=204,
    responses=_REFUSED,
)
async def camera_state(body: MqttStateBody) -> None:
    """Published to `PREFIX/camera/CAMERA/state` at SMOKE_MQTT_HOST, retained, at QoS 1; PREFIX is SMOKE_MQTT_PREFIX."""


@router.post(
    "camera-event",
    summary="A camera, as `GET /events` tells of it",
    operation_id="camera_by_event",
    status_code=204,
    responses=_REFUSED,
)
async def camera_event(body: CameraEventBody) -> None:
    """The data of each event `camera`."""
