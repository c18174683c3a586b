# Cairn for a Postgres elsewhere, named by CAIRN_DATABASE_URL; compose.yaml brings one. Nothing is
# written outside /tmp, so the root may be read-only: `docker run --read-only --tmpfs /tmp`.
FROM python:3.13-slim AS made
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY domain ./domain
COPY application ./application
COPY infrastructure ./infrastructure
COPY api ./api
COPY migrations ./migrations
RUN uv sync --frozen --no-dev

FROM python:3.13-slim
RUN useradd --system --no-create-home --uid 10001 cairn
COPY --from=made /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 CAIRN_HOST=0.0.0.0 CAIRN_PORT=8080
# By number: who asks for a user that is not root can tell without the names of the image.
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=5 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"CAIRN_PORT\"]}/health', timeout=3)"]
CMD ["cairn", "serve"]
