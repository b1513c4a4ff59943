#!/usr/bin/env bash
# The integration tests, with what this machine has: a container engine with Compose runs the official images; elsewhere the
# servers of `make services` are built and started. A server that was promised and does not run is a failure, not a skip.
#
#   docker/integration-tests.sh build|run|cleanup [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
compose=(docker compose --file docker/compose.integration-tests.yaml)
python=${PYTHON:-.venv/bin/python}
servers=(imaginary minio versitygw ferretdb secantus)

has_engine() { docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

what=${1:?build, run or cleanup}
shift
if has_engine; then
    case $what in
        build) exec "${compose[@]}" build ;;
        run) exec "${compose[@]}" run --build --rm tests python -m pytest -q -rs -m integration "$@" ;;
        cleanup) exec "${compose[@]}" down --volumes --remove-orphans --rmi local ;;
    esac
else
    echo "No container engine answers: the servers of \`make services\` take its place."
    case $what in
        build) exec "$python" -m services build ;;
        run)
            "$python" -m services start
            SERVICES_REQUIRED="${servers[*]} imaginary-program" \
                exec "$python" -m pytest -q -rs -m integration "$@"
            ;;
        cleanup) exec "$python" -m services purge ;;
    esac
fi
echo "unknown: $what" >&2
exit 2
