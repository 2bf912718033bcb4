#!/bin/sh
# As in the public image: scripts that derived images and users put into /docker-entrypoint.d run before nginx.
set -e
if [ "$1" = nginx ]; then
    for script in /docker-entrypoint.d/*.sh; do
        if [ -x "$script" ]; then "$script"; fi
    done
fi
exec "$@"
