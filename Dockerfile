# The operator's image. One file for every base and for builders with and without BuildKit:
#
#   python -m tools.wheels wheels --python 3.13      # outside: what requirements.lock pins, for the base's Python
#   docker build --network none -t appstack.dev/appstack-operator:dev .
#
# BASE needs a python3 and nothing else: pip comes as one of the wheels and runs from there.
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS site
COPY wheels/ /wheels/
COPY requirements.lock /
# kubernetes.aio is a second copy of the whole client, for asyncio, that nobody here imports.
RUN PYTHONPATH=$(echo /wheels/pip-*.whl) python3 -m pip install --quiet --root-user-action ignore --disable-pip-version-check \
        --no-index --find-links /wheels --require-hashes --only-binary :all: --no-compile \
        --requirement /requirements.lock --target /opt/appstack \
 && rm -rf /opt/appstack/bin /opt/appstack/kubernetes/aio \
 && find /opt/appstack -depth -type d '(' -name tests -o -name test ')' -exec rm -rf '{}' ';' \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/appstack
COPY operator/appstack/ /opt/appstack/appstack/
# The root file system is read-only in the pod: what is not compiled here is compiled at every start.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/appstack/appstack \
 && PYTHONPATH=/opt/appstack python3 -P -m appstack version

FROM ${BASE}
COPY --from=site /opt/appstack /opt/appstack
# USER: kopf asks who runs it, and 65532 need not stand in the base's /etc/passwd.
ENV PYTHONPATH=/opt/appstack PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=appstack
USER 65532:65532
WORKDIR /
EXPOSE 8080 8081
ENTRYPOINT ["python3", "-m", "appstack"]
CMD ["run"]
