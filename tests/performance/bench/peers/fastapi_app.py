"""Plain FastAPI, as its tutorial has it: an upload, a function that is no coroutine, and so a thread pool."""

import uvicorn
from fastapi import FastAPI, UploadFile
from work import Choice, Work

app = FastAPI()
choice = Choice.read()
work = Work(choice) if __name__ != "__main__" else None


@app.post("/segment")
def segment(frame: UploadFile) -> dict:
    """Answer one frame."""
    return work(frame.file.read())


if __name__ == "__main__":
    uvicorn.run("fastapi_app:app", port=choice.port, workers=choice.workers, log_level="warning")
