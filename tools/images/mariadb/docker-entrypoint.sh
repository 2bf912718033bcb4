#!/bin/sh
# As in the public image: an empty data directory is initialized from the MARIADB_* variables, then the server runs as
# the user mysql. Each variable can also be given as NAME_FILE, the path of a file with its value.
set -eu

value() {
    eval "given=\${$1:-}; file=\${$1_FILE:-}"
    if [ -n "$file" ]; then cat "$file"; else printf '%s' "$given"; fi
}

quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g")"
}

# SQL statements that run before the server accepts connections.
initial_statements() {
    root=$(quoted "$(value MARIADB_ROOT_PASSWORD)")
    database=$(value MARIADB_DATABASE)
    user=$(value MARIADB_USER)
    echo "DROP USER IF EXISTS root@127.0.0.1, root@'::1';"
    echo "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@\\'', @@hostname, '\\'');"
    echo "ALTER USER root@localhost IDENTIFIED BY $root;"
    echo "CREATE USER root@'%' IDENTIFIED BY $root;"
    echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
    if [ -n "$database" ]; then echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"; fi
    if [ -n "$user" ]; then
        echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$(value MARIADB_PASSWORD)");"
        if [ -n "$database" ]; then echo "GRANT ALL ON \`$database\`.* TO $(quoted "$user")@'%';"; fi
    fi
    if [ -n "$database" ]; then echo "USE \`$database\`;"; fi
    for script in /docker-entrypoint-initdb.d/*.sql; do
        if [ -r "$script" ]; then cat "$script"; fi
    done
}

if [ "${1#-}" != "$1" ]; then set -- mariadbd "$@"; fi
if [ "$1" = mariadbd ] && [ "$(id -u)" = 0 ]; then
    chown mysql:mysql /var/lib/mysql /run/mysqld
    exec setpriv --reuid mysql --regid mysql --init-groups -- "$0" "$@"
fi
if [ "$1" = mariadbd ] && [ ! -d /var/lib/mysql/mysql ]; then
    if [ -z "$(value MARIADB_ROOT_PASSWORD)" ] && [ -z "${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ]; then
        echo "The database has no password for root: set MARIADB_ROOT_PASSWORD" >&2
        exit 1
    fi
    output=$(mariadb-install-db --auth-root-authentication-method=normal --force --skip-test-db 2>&1) ||
        { echo "$output" >&2; exit 1; }
    mariadbd --skip-networking &
    until mariadb --user=root --execute "DO 1" 2>/dev/null; do kill -0 $! && sleep 0.2; done
    initial_statements | mariadb --user=root
    kill $! && wait $!
fi
exec "$@"
