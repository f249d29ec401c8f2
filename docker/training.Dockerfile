# Training on a CUDA GPU: torch's own wheels bring CUDA; the host needs NVIDIA's driver and container toolkit.
#   docker build --tag smoke-bvm:training --file docker/training.Dockerfile .
#   docker run --gpus all --ipc host --user "$(id -u):$(id -g)" --volume /path/to/data:/data:ro --volume "$PWD/runs:/runs" \
#     smoke-bvm:training train embedded --data /data --out /runs/embedded
FROM docker.io/library/python:3.11-slim-bookworm
WORKDIR /build
COPY pyproject.toml docker/requirements.py docker/constraints-training.txt ./
RUN python requirements.py pyproject.toml training > requirements.txt \
 && python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: \
      --requirement requirements.txt --constraint constraints-training.txt
COPY README.md ./
COPY models models
COPY service service
COPY training training
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --target /opt/smoke-bvm . \
 && groupadd --gid 10001 smoke \
 && useradd --uid 10001 --gid smoke --create-home --shell /usr/sbin/nologin smoke \
 && install --directory --owner smoke --group smoke --mode 0755 /runs
ENV PATH=/opt/smoke-bvm/bin:/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/smoke-bvm \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp
USER 10001:10001
WORKDIR /runs
ENTRYPOINT ["smoke-bvm-train"]
CMD ["--help"]
