# syntax=docker/dockerfile:1
# The service, non-root, its kernels compiled. TORCH=cpu (default) or cuda; both for x86-64, whose torch has its hash here:
#   docker build -t lossgauge .
#   docker build -t lossgauge:cuda --build-arg TORCH=cuda .
# It listens on every address of its container, and so starts with keys only, or where it is told that this is meant:
#   docker run -p 8000:8000 -e LOSSGAUGE_API_KEYS="$(tail -1 keys)" lossgauge
#   docker run -p 127.0.0.1:8000:8000 -e LOSSGAUGE_INSECURE=true lossgauge
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lossgauge
ENV PATH=/opt/lossgauge/bin:$PATH
WORKDIR /build
COPY requirements/*.txt requirements/
# every file by its hash, no source built but ours; torch first and alone, so that a change of the rest does not fetch it again
RUN case "$TORCH" in \
        cpu) pip install --require-hashes --no-deps --only-binary :all: \
            --index-url https://download.pytorch.org/whl/cpu -r requirements/torch-cpu.txt ;; \
        cuda) pip install --require-hashes --no-deps --only-binary :all: -r requirements/torch-cuda.txt ;; \
        *) echo "TORCH is cpu or cuda, not '$TORCH'" >&2; exit 1 ;; \
    esac
RUN pip install --require-hashes --only-binary :all: -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY clients/python clients/python
COPY service service
RUN pip install --no-index --no-deps --no-build-isolation . && pip check

FROM python:${PYTHON}-slim
# the compiler of the statistics' kernel: C++ for the CPU; Triton's launcher on CUDA needs a C compiler as well
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/lossgauge /opt/lossgauge
RUN useradd --system --uid 10001 --create-home lossgauge \
    && install -d -o lossgauge -g lossgauge /var/cache/lossgauge
ENV PATH=/opt/lossgauge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOSSGAUGE_HOST=0.0.0.0 \
    LOSSGAUGE_PORT=8000 \
    LOSSGAUGE_KERNEL_CACHE=/var/cache/lossgauge/kernels \
    NUMBA_CACHE_DIR=/var/cache/lossgauge/numba \
    TRITON_CACHE_DIR=/var/cache/lossgauge/triton
USER lossgauge
WORKDIR /home/lossgauge
# Inductor writes C++ for the instruction set of the machine that it runs on: a host with another set (AVX-512 for AVX2, say)
# finds nothing for it here and compiles anew, once. On CUDA the kernels are compiled when the service starts.
RUN lossgauge warm-up --device cpu
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"LOSSGAUGE_PORT\"]}/health/ready', timeout=2)"]
CMD ["lossgauge", "serve"]
