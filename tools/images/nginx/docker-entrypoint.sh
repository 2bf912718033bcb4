#!/bin/sh
# As in the public image: scripts in /docker-entrypoint.d, from derived images or from users, run before nginx.
set -e
if [ "$1" = nginx ]; then
    for script in /docker-entrypoint.d/*.sh; do
        if [ -x "$script" ]; then "$script"; fi
    done
fi
exec "$@"
