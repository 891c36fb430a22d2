# shellcheck shell=bash
# PostgreSQL, for scripts/services, which sources this file and calls `pg_<command>` with STATE and PG set.

pg_bin() {
  local dir
  if [ -n "${SERVICES_PG_BIN:-}" ]; then
    say "$SERVICES_PG_BIN"
    return
  fi
  [ "${SERVICES_PG_FIND:-}" != none ] || return 1
  dir=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ -x "$dir/initdb" ] || dir=$(dirname "$(readlink -f "$(command -v initdb || say /none/initdb)")")
  [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && say "$dir"
}

pg_install() {
  local bin
  if bin=$(pg_bin); then
    say "pg: server programs in $bin"
  elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    pg_install_package
    bin=$(SERVICES_PG_FIND='' pg_bin) || die "the package postgresql brought no server programs"
    say "pg: installed, server programs in $bin"
  elif docker_answers; then
    say "pg: no server programs; Docker will run ${SERVICES_PG_IMAGE:-postgres:15}"
  else
    die "PostgreSQL's server programs (initdb, postgres) are not on this machine. Install them, for example with
    apt-get install postgresql      (Debian, Ubuntu)
    dnf install postgresql-server   (Fedora)
    brew install postgresql@17      (macOS)
  or start a Docker engine, or name their directory in SERVICES_PG_BIN." 3
  fi
}

# Debian's package makes a cluster; a note keeps its cluster maker from it, and is taken away again.
pg_install_package() {
  local notes=/etc/postgresql-common/createcluster.d
  say "pg: no server programs on this machine; installing Debian's package postgresql"
  mkdir -p "$notes"
  say 'create_main_cluster = false' >"$notes/tidewaiter.conf"
  install_package postgresql || { rm -f "$notes/tidewaiter.conf" && die "apt-get could not install postgresql" 3; }
  rm -f "$notes/tidewaiter.conf"
  rmdir "$notes" 2>/dev/null || true
}

pg_user() {
  if [ -n "${SERVICES_PG_USER:-}" ]; then
    say "$SERVICES_PG_USER"
  elif id postgres >/dev/null 2>&1; then
    say postgres
  else
    say nobody
  fi
}

as_pg() {
  if [ "$(id -u)" = 0 ]; then
    runuser -u "$(pg_user)" -- env HOME="$PG" LC_ALL=C.UTF-8 "$@"
  else
    env LC_ALL=C.UTF-8 "$@"
  fi
}

pg_pid() {
  local pid
  pid=$(head -n 1 "$PG/data/postmaster.pid" 2>/dev/null) || return 1
  # Never trust a stale file: the process must be a server of this very directory.
  alive "$pid" && command_of "$pid" | grep -qF -- "$PG/data" && say "$pid"
}

pg_container() { [ -s "$PG/container" ] && cat "$PG/container"; }

pg_client() {
  local bin psql=psql container
  if container=$(pg_container); then
    docker exec -i -e PGPASSWORD="$PG_PASSWORD" "$container" psql -U "$PG_ROLE" "$@"
    return
  fi
  if bin=$(SERVICES_PG_FIND='' pg_bin) && [ -x "$bin/psql" ]; then psql=$bin/psql; fi
  PGPASSWORD=$PG_PASSWORD "$psql" -h 127.0.0.1 -p "$PG_PORT" -U "$PG_ROLE" "$@"
}

pg_settings() {
  if [ ! -s "$PG/settings" ]; then
    mkdir -p "$PG"
    local port
    port=$(free_port)
    (umask 077 && printf 'PG_PORT=%s\nPG_PASSWORD=%s\n' "$port" "$(random_word)" >"$PG/settings")
  fi
  # shellcheck source=/dev/null
  . "$PG/settings"
}

pg_start() {
  local bin pid
  pg_settings
  if pid=$(pg_pid); then
    say "pg: already up, process $pid, port $PG_PORT"
    return
  fi
  if [ -s "$PG/container" ] || ! bin=$(SERVICES_PG_FIND='' pg_bin); then
    pg_start_container
    return
  fi
  pg_initialise "$bin"
  ! port_used "$PG_PORT" || die "port $PG_PORT is taken by another program"
  as_pg "$bin/pg_ctl" -D "$PG/data" -l "$PG/log" -w -t "$TIMEOUT" -s start -o \
    "-p $PG_PORT -h 127.0.0.1 -c unix_socket_directories='' -c max_connections=200 ${SERVICES_PG_OPTS:-}" </dev/null || {
    tail -n 20 "$PG/log" >&2
    die "PostgreSQL did not start; its log is $PG/log"
  }
  pg_create_database
  say "pg: up, process $(pg_pid), port $PG_PORT"
}

pg_initialise() {
  [ ! -s "$PG/data/PG_VERSION" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    chown "$(pg_user)" "$PG"
    chmod o+x "$STATE"
    as_pg test -w "$PG" ||
      die "user $(pg_user) cannot reach $PG: every directory above it must be open to others (chmod o+x)"
  fi
  (umask 077 && say "$PG_PASSWORD" >"$PG/password")
  [ "$(id -u)" != 0 ] || chown "$(pg_user)" "$PG/password"
  as_pg "$1/initdb" -D "$PG/data" -U "$PG_ROLE" -A scram-sha-256 --pwfile="$PG/password" -E UTF8 --locale=C.UTF-8 \
    >"$PG/initdb.log" 2>&1 </dev/null || {
    cat "$PG/initdb.log" >&2
    die "initdb failed"
  }
  rm -f "$PG/password"
}

pg_create_database() {
  local exists
  exists=$(pg_client -d postgres -Atqc "select 1 from pg_database where datname = '$PG_DATABASE'") || die "psql failed"
  [ "$exists" = 1 ] || pg_client -d postgres -qc "create database $PG_DATABASE" || die "cannot create the database"
}

pg_start_container() {
  local name tries=$((TIMEOUT * 5))
  docker_answers || die "no PostgreSQL server programs and no Docker engine; try: $0 install" 3
  if name=$(pg_container); then
    docker start "$name" >/dev/null
  else
    name=tidewaiter-pg-$PG_PORT
    # shellcheck disable=SC2086 # Server flags are words.
    docker run -d --name "$name" -p "127.0.0.1:$PG_PORT:5432" -e POSTGRES_USER="$PG_ROLE" \
      -e POSTGRES_PASSWORD="$PG_PASSWORD" "${SERVICES_PG_IMAGE:-postgres:15}" -c max_connections=200 \
      ${SERVICES_PG_OPTS:-} >/dev/null
    say "$name" >"$PG/container"
  fi
  # The image serves a socket while it initialises; only TCP means that it is ready.
  until docker exec "$name" pg_isready -q -h 127.0.0.1 -U "$PG_ROLE"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "the container $name does not answer"
    sleep 0.2
  done
  pg_create_database
  say "pg: up, container $name, port $PG_PORT"
}

pg_stop() {
  local name
  if name=$(pg_container); then
    docker stop "$name" >/dev/null
  elif pg_pid >/dev/null; then
    as_pg "$(SERVICES_PG_FIND='' pg_bin)/pg_ctl" -D "$PG/data" -m "${1:-fast}" -w -s stop
  else
    say "pg: not running"
    return
  fi
  say "pg: stopped"
}

pg_kill() {
  local name pid kids one
  if name=$(pg_container); then
    docker kill "$name" >/dev/null
    say "pg: killed, container $name"
    return
  fi
  pid=$(pg_pid) || {
    say "pg: not running"
    return
  }
  kids=$(children_of "$pid")
  kill -9 "$pid"
  for one in $kids; do kill -9 "$one" 2>/dev/null || true; done
  for one in $pid $kids; do wait_gone "$one"; done
  # Until its parent collects it, the dead postmaster is a zombie, and PostgreSQL takes its lock file for a live
  # server's. All its processes are gone here, and only therefore may the file go too.
  rm -f "$PG/data/postmaster.pid"
  say "pg: killed, process $pid"
}

pg_signal() {
  local pid one
  pid=$(pg_pid) || die "pg is not running"
  kill "-$1" "$pid" # First, so that a parent that sleeps makes no further children.
  for one in $(children_of "$pid"); do kill "-$1" "$one" 2>/dev/null || true; done
}

pg_pause() {
  local name
  if name=$(pg_container); then docker pause "$name" >/dev/null; else pg_signal STOP; fi
  say "pg: paused"
}

pg_resume() {
  local name
  if name=$(pg_container); then docker unpause "$name" >/dev/null; else pg_signal CONT; fi
  say "pg: resumed"
}

pg_status() {
  local pid name
  if name=$(pg_container); then
    [ "$(docker inspect -f '{{.State.Running}}' "$name" 2>/dev/null)" = true ] || {
      say "pg: down"
      return 1
    }
    say "pg: up, container $name, port $PG_PORT"
  elif pid=$(pg_pid); then
    say "pg: up, process $pid, port $PG_PORT"
  else
    say "pg: down"
    return 1
  fi
}

pg_env() {
  local url=postgres://$PG_ROLE:$PG_PASSWORD@127.0.0.1:$PG_PORT/$PG_DATABASE
  say "export DATABASE_URL=$url"
  say "export TIDEWAITER_TEST_POSTGRES=$url"
  say "export PGHOST=127.0.0.1 PGPORT=$PG_PORT PGUSER=$PG_ROLE PGPASSWORD=$PG_PASSWORD PGDATABASE=$PG_DATABASE"
}

pg_wipe() {
  local name
  if name=$(pg_container); then
    docker rm -f -v "$name" >/dev/null 2>&1 || true
  elif pg_pid >/dev/null; then
    pg_signal CONT
    # An immediate stop, because a killed server would leave its shared memory behind.
    pg_stop immediate >/dev/null || pg_kill >/dev/null
  fi
  rm -rf "$PG"
}
