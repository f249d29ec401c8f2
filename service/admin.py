"""`/admin`: change the model of a running service. Off unless switched on, and only with a key for it."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Depends, Request

from service.api.auth import Scope, needs
from service.api.problems import documented
from service.api.schemas.model import ReleaseBody
from service.runtime.model import Model
from service.runtime.reload import Reloader

router = APIRouter(
    prefix="/admin", dependencies=[Depends(needs(Scope.ADMIN))], responses=documented(changes=True), tags=["admin"]
)


@router.post("/reload", summary="Load the release that the settings name now, and put it into service")
async def reload(request: Request) -> ReleaseBody:
    """It is verified, warmed up and checked beside the present one, which serves on if anything is wrong with it."""
    return await _change(_reloader(request).reload)


@router.post("/rollback", summary="Put the model that served before the last reload back into service")
async def rollback(request: Request) -> ReleaseBody:
    """It is still loaded, so that this takes effect with the next frame."""
    return await _change(_reloader(request).rollback)


def _reloader(request: Request) -> Reloader:
    reloader: Reloader = request.app.state.reloader
    return reloader


async def _change(change: Callable[[], Model]) -> ReleaseBody:
    model = await asyncio.to_thread(change)
    return ReleaseBody.describe(model.identity, model.manifest)
