# One image for every process: the site by default, workers, beat and commands by their own command line.
#   make image

FROM python:3.13.16-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Without pip: what runs the site installs nothing.
RUN python -m venv --without-pip /venv
# requirements-semantic.txt: with the extra `semantic` (see docs/operations.md)
ARG REQUIREMENTS=requirements.txt
# requirements-catcher.txt: with the mail catcher, which only the service `mail` of docker-compose.yml needs
ARG EXTRA=
COPY requirements.txt requirements-semantic.txt requirements-catcher.txt /tmp/
RUN python -m pip --python /venv/bin/python install --require-hashes --only-binary :all: -r /tmp/${REQUIREMENTS}
RUN test -z "${EXTRA}" || python -m pip --python /venv/bin/python install --require-hashes --only-binary :all: -r /tmp/${EXTRA}
# Other people's test suites: a tenth of it all.
RUN find /venv/lib -type d -path "*/site-packages/*" -name tests -prune -exec rm -rf {} +
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY subscriptions subscriptions
COPY newsletter newsletter
COPY templates templates
ENV VAR_DIR=/var/lib/paperboy STATIC_ROOT=/app/static
# These values end with this command: nothing of them is kept in the image.
RUN SECRET_KEY=build ADDRESS_HASH_KEY=build SITE_URL=https://build.invalid POSTAL_ADDRESS=build \
    /venv/bin/python manage.py collectstatic --noinput \
    && /venv/bin/python -m compileall -q newsletter subscriptions

FROM python:3.13.16-slim-trixie
RUN useradd --system --uid 10001 --no-create-home --home-dir /app paperboy \
    && install -d -o paperboy /var/lib/paperboy
LABEL org.opencontainers.image.title="Paperboy" org.opencontainers.image.version="0.2.0.dev0" org.opencontainers.image.licenses="BSD-3-Clause" \
    org.opencontainers.image.description="Digests of new papers by mail" org.opencontainers.image.base.name="python:3.13.16-slim-trixie"
# make image says which commit, and when it was made
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.revision="${REVISION}" org.opencontainers.image.created="${CREATED}"
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/paperboy STATIC_ROOT=/app/static
COPY --from=build /venv /venv
WORKDIR /app
COPY --from=build /app /app
USER 10001
EXPOSE 8000
# Workers end softly on SIGTERM: what they are handing over is finished first.
ENV REMAP_SIGTERM=SIGQUIT
HEALTHCHECK NONE
CMD ["gunicorn", "newsletter.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--timeout", "30", "--max-requests", "10000", "--max-requests-jitter", "1000", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-", "--logger-class", "subscriptions.access_log.DiscreetLogger"]
