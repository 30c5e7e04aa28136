# Targets: cpu (what a build without --target gives) and gpu.
#   docker build -t sentiment-service:cpu --target cpu .
# Name the target where the classic builder is used: it builds every stage above the one
# that is asked for, so the default also costs it the gigabytes of the GPU's libraries.

# One version in both targets: they must score alike.
ARG ONNXRUNTIME_VERSION=1.31.1

FROM python:3.11-slim-bookworm AS builder
ENV PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# pip stays outside: it fills the environment, and is not part of it.
RUN python -m venv --without-pip /opt/venv
COPY docker/slim.py docker/requirements.py ./

# The service without what it depends on: a change of source rebuilds this stage only, and
# replaces one small layer of the image.
FROM builder AS application
COPY pyproject.toml README.md ./
COPY service service
COPY models/default models/default
RUN pip --python /opt/venv/bin/python install --no-deps --prefix /opt/application . \
    && python slim.py /opt/application

FROM builder AS dependencies-cpu
ARG ONNXRUNTIME_VERSION
COPY pyproject.toml ./
RUN python requirements.py onnxruntime==${ONNXRUNTIME_VERSION} > requirements.txt \
    && pip --python /opt/venv/bin/python install -r requirements.txt \
    && python slim.py /opt/venv

FROM python:3.11-slim-bookworm AS runtime
LABEL org.opencontainers.image.title="sentiment-service" \
      org.opencontainers.image.description="Sentiment you host yourself, in English and Chinese"
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sentiment
COPY docker/healthcheck.py /usr/local/lib/sentiment/healthcheck.py
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SENTIMENT_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Every 5 s, so that a start is noticed soon: older engines know no --start-interval.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "/usr/local/lib/sentiment/healthcheck.py"]
ENTRYPOINT ["sentiment"]
CMD ["serve"]

FROM runtime AS cpu
COPY --from=dependencies-cpu /opt/venv /opt/venv
COPY --from=application /opt/application /opt/venv

FROM builder AS dependencies-gpu
ARG ONNXRUNTIME_VERSION
COPY pyproject.toml ./
# The CUDA libraries come from PyPI with the wheel. requirements.py puts it in the place of
# onnxruntime: both write the same folder, and together they break each other.
RUN python requirements.py onnxruntime-gpu[cuda,cudnn]==${ONNXRUNTIME_VERSION} > requirements.txt \
    && pip --python /opt/venv/bin/python install -r requirements.txt \
    && python slim.py /opt/venv

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=dependencies-gpu /opt/venv /opt/venv
COPY --from=application /opt/application /opt/venv

FROM cpu AS default
