# keplearn in a container, with the versions that it is tested with.
#
#     docker build -t keplearn .
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" keplearn sweep heads.yaml
#
# Runs, and the programs that are compiled for them, lie in /work: outside the container. docs/clusters.md says more.
FROM python:3.11-slim

WORKDIR /opt/keplearn
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir uv
RUN uv pip install --system --no-cache --compile-bytecode --constraint requirements.lock '.[study]'

ENV KEPLEARN_CACHE_DIR=/work/.keplearn
ENV MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["keplearn"]
