# Two images from one file:
#   --target web     the front end: no jax, no ScaNN
#   --target worker  search, ingest, embed, maintain and beat
# Each target takes the extras it needs (EXTRAS); constraints.txt fixes every version.
# ScaNN and the compiled part of the index are for x86-64 with AVX2 only: build for linux/amd64.

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS source
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
COPY visearch visearch
COPY web web
COPY workers workers

FROM source AS build-web
ARG EXTRAS=web
RUN python -m venv /opt/visearch \
    && /opt/visearch/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM source AS build-worker
ARG EXTRAS=worker,cpu
RUN python -m venv /opt/visearch \
    && /opt/visearch/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim AS runtime
ENV PATH=/opt/visearch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    VISEARCH_HOME=/var/lib/visearch
# A named volume takes over the owner of the folder it is first mounted on.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin visearch \
    && install -d -o visearch -g visearch /var/lib/visearch
USER visearch
WORKDIR /var/lib/visearch
VOLUME /var/lib/visearch

FROM runtime AS worker
COPY --from=build-worker /opt/visearch /opt/visearch
# The role follows: docker run IMAGE search
ENTRYPOINT ["python", "-m", "workers"]

FROM runtime AS web
COPY --from=build-web /opt/visearch /opt/visearch
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('VISEARCH_PORT', '8000')}/healthz\", timeout=3)"]
CMD ["python", "-m", "web"]
