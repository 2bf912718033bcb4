# The operator's image, for any base image and for builders with and without BuildKit:
#
#   python -m tools.wheels wheels --python 3.13      # on the host: download the wheels of requirements.lock, for the base's Python
#   docker build --network none -t appstack.dev/appstack-operator:dev .
#
# BASE needs python3 only: pip is one of the wheels and runs from its wheel file.
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS site
COPY wheels/ /wheels/
COPY requirements.lock /
# kubernetes.aio is a second copy of the whole client, for asyncio, and not used here.
RUN PYTHONPATH=$(echo /wheels/pip-*.whl) python3 -m pip install --quiet --root-user-action ignore --disable-pip-version-check \
        --no-index --find-links /wheels --require-hashes --only-binary :all: --no-compile \
        --requirement /requirements.lock --target /opt/appstack \
 && rm -rf /opt/appstack/bin /opt/appstack/kubernetes/aio \
 && find /opt/appstack -depth -type d '(' -name tests -o -name test ')' -exec rm -rf '{}' ';' \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/appstack
COPY operator/appstack/ /opt/appstack/appstack/
# The pod's root file system is read-only, so modules that are not compiled here are compiled at every start.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/appstack/appstack \
 && PYTHONPATH=/opt/appstack python3 -P -m appstack version

FROM ${BASE}
COPY --from=site /opt/appstack /opt/appstack
# USER: kopf looks up the user name, and 65532 may be missing in the base's /etc/passwd.
ENV PYTHONPATH=/opt/appstack PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=appstack
USER 65532:65532
WORKDIR /
EXPOSE 8080 8081
ENTRYPOINT ["python3", "-m", "appstack"]
CMD ["run"]
