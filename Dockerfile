# The service: onnxruntime for a GPU or for the CPU, the released model, no torch, no compiler.
#   docker build --tag smoke-bvm:cpu .
#   docker build --tag smoke-bvm:gpu --build-arg RUNTIME=gpu .
#   docker build --tag smoke-bvm:watch --build-arg RUNTIME=watch .    reads cameras for one of those; FFmpeg in place of onnxruntime
# The host of a GPU image needs NVIDIA's driver and container toolkit; CUDA and cuDNN come as wheels.
FROM docker.io/library/python:3.11-slim-bookworm AS python

FROM python AS dependencies
ARG RUNTIME=cpu
WORKDIR /build
COPY pyproject.toml docker/requirements.py docker/constraints.txt ./
RUN python requirements.py pyproject.toml "$RUNTIME" > requirements.txt \
 && python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary :all: \
      --requirement requirements.txt --constraint constraints.txt

# In a folder, so in a layer, of its own: new code does not move the gigabytes below it.
FROM dependencies AS code
COPY README.md ./
COPY models models
COPY service service
COPY training training
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --target /opt/smoke-bvm .

FROM python
LABEL org.opencontainers.image.title="smoke-bvm" \
      org.opencontainers.image.description="Wildfire smoke in camera frames: where it is, and how sure that is."
RUN groupadd --gid 10001 smoke \
 && useradd --uid 10001 --gid smoke --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin smoke \
 && install --directory --owner smoke --group smoke --mode 0750 /var/lib/smoke-bvm
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /opt/smoke-bvm /opt/smoke-bvm
COPY docker/healthcheck.py /opt/healthcheck.py
ENV PATH=/opt/smoke-bvm/bin:/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/smoke-bvm \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SMOKE_HOST=0.0.0.0 \
    SMOKE_PORT=8000
USER 10001:10001
# The only place the service may write to, besides a /tmp in memory: the root can be mounted read-only.
WORKDIR /var/lib/smoke-bvm
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["smoke-bvm"]
CMD ["serve"]
