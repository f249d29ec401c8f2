"""What the routes work with, put together once by `service.server.app`, and what the probes say of it."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request
from starlette.applications import Starlette

from service.alarms.archive import AlarmArchive
from service.api.auth import ApiKeys
from service.api.broadcast import Broadcast
from service.api.metrics import Metrics
from service.api.reread import RereadFiles
from service.cameras.registry import Cameras
from service.pipeline.pipeline import Pipeline
from service.runtime.reload import Reloader
from service.runtime.slot import ModelSlot
from service.runtime.supervision import Supervisor
from service.scheduling.admission import AdmissionControl, Phase
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class AppState:
    """The parts of one application: the only thing on its `app.state`.

    Attributes:
        settings: As they were read.
        keys: None where nobody is asked for one.
        slot: The model in service.
        metrics: Every instrument.
        admission: The door.
        reloader: Changes the model.
        files: Those that are read again with it.
        cameras: What is remembered of each camera.
        alarms: Every alarm, with its pictures.
        events: Readers of what happens to the cameras.
        pipeline: Takes frames to answers while the application runs.
        supervisor: Keeps background tasks going.
    """

    settings: Settings
    keys: ApiKeys | None
    slot: ModelSlot
    metrics: Metrics
    admission: AdmissionControl
    reloader: Reloader
    files: RereadFiles
    cameras: Cameras
    alarms: AlarmArchive
    events: Broadcast
    pipeline: Pipeline
    supervisor: Supervisor

    @classmethod
    def of(cls, app: Starlette) -> Self:
        """The parts of this application."""
        state: Self = app.state.app_state
        return state

    @property
    def unhealthy_reason(self) -> str | None:
        """Why a restart would help; None where it would not."""
        if not self.pipeline.alive:
            return "a runner thread has died"
        if self.pipeline.busy_s > self.settings.stall_s:
            return f"a batch has been running for {self.pipeline.busy_s:.0f} s"
        if self.pipeline.working_s > self.settings.stall_s:
            return f"a worker has been at one picture for {self.pipeline.working_s:.0f} s"
        if self.slot.given_up:
            return f"the model has failed {self.slot.failures} times in a row"
        if self.supervisor.failing:
            return f"the background task {self.supervisor.failing!r} fails again and again"
        return None

    @property
    def readiness(self) -> str:
        """The phase, or why frames are not answered although the phase is ready."""
        if self.admission.phase is not Phase.READY:
            return self.admission.phase.value
        return self.unhealthy_reason or (Phase.READY.value if self.slot.healthy else "the model is being rebuilt")

    @property
    def live(self) -> bool:
        """Whether the process is well."""
        return self.unhealthy_reason is None

    @property
    def ready(self) -> bool:
        """Whether a frame that arrived now would be answered at once."""
        return self.readiness == Phase.READY.value


async def app_state(request: Request) -> AppState:
    """What the routes work with. Not a plain function: those run in a thread, which a refusal has no time for."""
    return AppState.of(request.app)


AppStateDep = Annotated[AppState, Depends(app_state)]
