"""LitServe: each worker a process of its own, with one frame at a time."""

import litserve
from fastapi import Request
from work import Choice, Work


class SegmentAPI(litserve.LitAPI):
    """One frame in, one answer out."""

    def setup(self, device):  # noqa: ARG002 - named so by LitServe
        """Load the model, once a worker."""
        self.work = Work(Choice.read())

    def decode_request(self, request: Request):
        """The file of the form."""
        return request["frame"].file.read()

    def predict(self, body):
        """Decode, infer, encode."""
        return self.work(body)

    def encode_response(self, output):
        """As JSON."""
        return output


if __name__ == "__main__":
    choice = Choice.read()
    api = SegmentAPI(api_path="/segment")
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=choice.workers, timeout=False)
    server.run(host="127.0.0.1", port=choice.port, log_level="warning", generate_client_file=False)
