# The worker's image: the locked dependencies and the package in a virtual environment, nothing to build with.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY worker worker
RUN pip install --no-build-isolation --no-deps . \
    && pip uninstall --yes setuptools pip

FROM python:3.12-slim
LABEL org.opencontainers.image.title="outbound-numbers" \
      org.opencontainers.image.description="Outbound number selection for call centres: an event-driven worker on Kafka and Redis." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
# Only the container's own network sees the address; publish the port where health and metrics are to be read.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OUTBOUND_HTTP_HOST=0.0.0.0 \
    OUTBOUND_HTTP_PORT=8080
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"OUTBOUND_HTTP_PORT\"]}/livez', timeout=4)"]
ENTRYPOINT ["outbound-numbers"]
CMD ["run"]
