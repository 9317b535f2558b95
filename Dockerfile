# One image for each folder of functions:          docker build --build-arg FUNCTION=reserve .
# and one that brings all their databases up to date:  docker build --target migrations .
# `make pin-images` renews the digest below. `make images` builds all of them. What goes into /app is laid out by images/layout.py, as for `make image-tree`.
ARG PYTHON_IMAGE=python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7


# Python without what builds need, and with its own bytecode, which official images lack: each start would compile
FROM ${PYTHON_IMAGE} AS python
RUN --mount=type=bind,source=images,target=/mnt/images PYTHONPATH=/mnt python3 -m images.lean
ENV PYTHONPATH=/app/site-packages:/app PYTHONUNBUFFERED=1
WORKDIR /app
USER 65532:65532


FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY images images
COPY requirements/*.txt requirements/


FROM build AS layout-migrations
RUN python3 -m images.layout dependencies migrations /dependencies
COPY choreography choreography
COPY airline airline
COPY functions functions
RUN python3 -m images.layout code migrations /code

FROM python AS migrations
COPY --from=layout-migrations /dependencies /
COPY --from=layout-migrations /code /
ENTRYPOINT ["python3", "-m", "choreography.migrations"]


FROM build AS layout-function
ARG FUNCTION
COPY functions/${FUNCTION}/requirements.txt functions/${FUNCTION}/
RUN python3 -m images.layout dependencies "${FUNCTION}" /dependencies
COPY choreography choreography
COPY airline airline
COPY functions/${FUNCTION} functions/${FUNCTION}
RUN python3 -m images.layout code "${FUNCTION}" /code

# FUNCTION_TARGET, one of the functions in main.py, comes from the Service
FROM python AS function
COPY --from=layout-function /dependencies /
COPY --from=layout-function /code /
ENV FUNCTION_SOURCE=/app/function/main.py PORT=8080
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "functions_framework"]
