# shellcheck shell=bash
# RabbitMQ, for scripts/services, which sources this file and calls `mq_<command>` with STATE and MQ set.
#
# An Erlang node is known by its name, its cookie and the port mapper (epmd) at which it registers. A private node gets
# its own of each, so it neither meets nor disturbs another broker on the machine.

# The directory of the plain scripts. The wrapper that Debian puts into PATH changes user and directories.
mq_bin() {
  local dir
  if [ -n "${SERVICES_MQ_BIN:-}" ]; then
    say "$SERVICES_MQ_BIN"
    return
  fi
  [ "${SERVICES_MQ_FIND:-}" != none ] || return 1
  for dir in /usr/lib/rabbitmq/bin /usr/local/opt/rabbitmq/sbin /opt/homebrew/opt/rabbitmq/sbin; do
    if [ -x "$dir/rabbitmq-server" ] && command -v epmd >/dev/null; then
      say "$dir"
      return
    fi
  done
  return 1
}

mq_install() {
  local bin
  if bin=$(mq_bin); then
    say "mq: server programs in $bin"
  elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "mq: no server programs on this machine; installing Debian's package rabbitmq-server"
    install_package rabbitmq-server || die "apt-get could not install rabbitmq-server" 3
    bin=$(SERVICES_MQ_FIND='' mq_bin) || die "the package rabbitmq-server brought no server programs"
    say "mq: installed, server programs in $bin"
  elif docker_answers; then
    say "mq: no server programs; Docker will run ${SERVICES_MQ_IMAGE:-rabbitmq:3-management}"
  else
    die "RabbitMQ's server programs (rabbitmq-server, and Erlang's epmd) are not on this machine. Install them, for
  example with
    apt-get install rabbitmq-server   (Debian, Ubuntu; then: systemctl disable --now rabbitmq-server)
    dnf install rabbitmq-server       (Fedora)
    brew install rabbitmq             (macOS)
  or start a Docker engine, or name the directory of rabbitmq-server in SERVICES_MQ_BIN." 3
  fi
}

mq_settings() {
  if [ ! -s "$MQ/settings" ]; then
    mkdir -p "$MQ"
    local port ports=()
    while [ "${#ports[@]}" -lt 4 ]; do
      port=$(free_port)
      case " ${ports[*]-} " in *" $port "*) ;; *) ports+=("$port") ;; esac
    done
    (umask 077 && printf 'MQ_PORT=%s\nMQ_MANAGEMENT=%s\nMQ_DISTRIBUTION=%s\nMQ_EPMD=%s\nMQ_PASSWORD=%s\n' \
      "${ports[@]}" "$(random_word)" >"$MQ/settings")
  fi
  # shellcheck source=/dev/null
  . "$MQ/settings"
}

# The environment in which programs of RabbitMQ's see the private node: `env "${MQ_ENVIRONMENT[@]}" PROGRAM`.
mq_environment() {
  MQ_ENVIRONMENT=(
    -u RABBITMQ_CTL_DIST_PORT_MIN -u RABBITMQ_CTL_DIST_PORT_MAX -u NOTIFY_SOCKET
    HOME="$MQ/home" LC_ALL=C.UTF-8
    RABBITMQ_NODENAME="tidewaiter-$MQ_PORT@localhost" RABBITMQ_USE_LONGNAME=false
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$MQ_PORT" RABBITMQ_DIST_PORT="$MQ_DISTRIBUTION"
    ERL_EPMD_PORT="$MQ_EPMD" ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP="$MQ/erl_crash.dump"
    RABBITMQ_CONF_ENV_FILE="$MQ/env.conf" RABBITMQ_CONFIG_FILE="$MQ/rabbitmq.conf"
    RABBITMQ_ADVANCED_CONFIG_FILE="$MQ/advanced.config" RABBITMQ_ENABLED_PLUGINS_FILE="$MQ/plugins"
    RABBITMQ_MNESIA_BASE="$MQ/data" RABBITMQ_LOG_BASE="$MQ/log" RABBITMQ_PID_FILE="$MQ/rabbitmq.pid"
    RABBITMQ_PLUGINS_EXPAND_DIR="$MQ/expanded" RABBITMQ_GENERATED_CONFIG_DIR="$MQ/generated"
    RABBITMQ_SCHEMA_DIR="$MQ/schema"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
    RABBITMQ_CTL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
  )
}

# Becomes a program that the interrupt of its caller does not end; for the background. macOS has no `setsid`.
mq_apart() { if command -v setsid >/dev/null; then exec setsid "$@"; else exec nohup "$@"; fi; }

# The Erlang VM, if it is alive and the one of this directory, whatever an old file says.
mq_pid() { mq_process beam.pid "-home $MQ/home"; }

mq_epmd_pid() { mq_process epmd.pid "-port $MQ_EPMD"; }

mq_process() {
  local pid
  pid=$(cat "$MQ/$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && alive "$pid" && command_of "$pid" | grep -qF -- "$2" && say "$pid"
}

mq_container() { [ -s "$MQ/container" ] && cat "$MQ/container"; }

mq_start() {
  local bin pid
  mq_settings
  if pid=$(mq_pid); then
    say "mq: already up, process $pid, port $MQ_PORT"
    return
  fi
  if [ -s "$MQ/container" ] || ! bin=$(SERVICES_MQ_FIND='' mq_bin); then
    mq_start_container
    return
  fi
  mq_initialise
  ! port_used "$MQ_PORT" || die "port $MQ_PORT is taken by another program"
  mq_epmd_start
  # The word about systemd makes the script become the VM, so that the process started here is the server itself.
  mq_environment
  mq_apart env "${MQ_ENVIRONMENT[@]}" RUNNING_UNDER_SYSTEMD=true "$bin/rabbitmq-server" </dev/null \
    >"$MQ/log/stdout" 2>&1 &
  pid=$!
  say "$pid" >"$MQ/beam.pid"
  mq_until_it_answers "$pid"
  say "mq: up, process $pid, port $MQ_PORT"
}

mq_initialise() {
  [ ! -s "$MQ/rabbitmq.conf" ] || return 0
  mkdir -p "$MQ/home" "$MQ/log" "$MQ/data" "$MQ/expanded" "$MQ/generated" "$MQ/schema"
  (
    umask 077
    random_word >"$MQ/home/.erlang.cookie"
    chmod 400 "$MQ/home/.erlang.cookie"
    printf '%s\n' "default_user = $MQ_ROLE" "default_pass = $MQ_PASSWORD" 'loopback_users = none' \
      'management.tcp.ip = 127.0.0.1' "management.tcp.port = $MQ_MANAGEMENT" \
      'vm_memory_high_watermark.absolute = 2GB' 'disk_free_limit.absolute = 100MB' >"$MQ/rabbitmq.conf"
  )
  : >"$MQ/env.conf"
  say '[].' >"$MQ/advanced.config"
  say '[rabbitmq_management].' >"$MQ/plugins"
}

mq_epmd_start() {
  local tries=100
  ! mq_epmd_pid >/dev/null || return 0
  mq_apart epmd -port "$MQ_EPMD" -address 127.0.0.1 </dev/null >"$MQ/log/epmd" 2>&1 &
  say $! >"$MQ/epmd.pid"
  until port_used "$MQ_EPMD"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "Erlang's port mapper does not answer; its log is $MQ/log/epmd"
    sleep 0.05
  done
}

mq_epmd_stop() {
  local pid
  if pid=$(mq_epmd_pid); then
    kill -9 "$pid"
    wait_gone "$pid"
  fi
}

# The port opens at the end of the start; the node serves when it answers a client's header with a method frame (1).
mq_answers() {
  local first=
  { exec 3<>"/dev/tcp/127.0.0.1/$MQ_PORT"; } 2>/dev/null || return 1
  printf 'AMQP\0\0\11\1' >&3
  IFS= read -r -t 5 -n 1 -u 3 first || true
  exec 3>&-
  [ "$first" = $'\1' ]
}

# Process $1 or, without one, the container is waited for.
mq_until_it_answers() {
  local tries=$((TIMEOUT * 10))
  until port_used "$MQ_PORT" && port_used "$MQ_MANAGEMENT" && mq_answers; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ] || { [ -n "${1:-}" ] && ! alive "$1"; }; then
      [ -z "${1:-}" ] || tail -n 30 "$MQ/log/stdout" >&2
      mq_kill >&2
      die "RabbitMQ did not start; its logs are in $MQ/log"
    fi
    sleep 0.1
  done
}

mq_start_container() {
  local name
  docker_answers || die "no RabbitMQ server programs and no Docker engine; try: $0 install" 3
  if name=$(mq_container); then
    docker start "$name" >/dev/null
  else
    name=tidewaiter-mq-$MQ_PORT
    # The host name is part of the node's, under which its data are found again.
    docker run -d --name "$name" --hostname "$name" -p "127.0.0.1:$MQ_PORT:5672" \
      -p "127.0.0.1:$MQ_MANAGEMENT:15672" -e RABBITMQ_DEFAULT_USER="$MQ_ROLE" \
      -e RABBITMQ_DEFAULT_PASS="$MQ_PASSWORD" "${SERVICES_MQ_IMAGE:-rabbitmq:3-management}" >/dev/null
    say "$name" >"$MQ/container"
  fi
  mq_until_it_answers
  say "mq: up, container $name, port $MQ_PORT"
}

mq_stop() {
  local name pid
  if name=$(mq_container); then
    docker stop "$name" >/dev/null
  elif pid=$(mq_pid); then
    kill "$pid"
    wait_gone "$pid"
    mq_epmd_stop
  else
    say "mq: not running"
    return
  fi
  say "mq: stopped"
}

mq_kill() {
  local name pid helper
  if name=$(mq_container); then
    docker kill "$name" >/dev/null
    say "mq: killed, container $name"
    return
  fi
  if pid=$(mq_pid); then
    local helpers
    helpers=$(children_of "$pid")
    kill -9 "$pid"
    # The VM's helpers end by themselves when it is gone.
    for helper in $pid $helpers; do wait_gone "$helper"; done
    say "mq: killed, process $pid"
  else
    say "mq: not running"
  fi
  mq_epmd_stop
}

mq_signal() {
  local pid
  pid=$(mq_pid) || die "mq is not running"
  kill "-$1" "$pid"
}

mq_pause() {
  local name
  if name=$(mq_container); then docker pause "$name" >/dev/null; else mq_signal STOP; fi
  say "mq: paused"
}

mq_resume() {
  local name
  if name=$(mq_container); then docker unpause "$name" >/dev/null; else mq_signal CONT; fi
  say "mq: resumed"
}

mq_status() {
  local pid name
  if name=$(mq_container); then
    [ "$(docker inspect -f '{{.State.Running}}' "$name" 2>/dev/null)" = true ] || {
      say "mq: down"
      return 1
    }
    say "mq: up, container $name, port $MQ_PORT"
  elif pid=$(mq_pid); then
    say "mq: up, process $pid, port $MQ_PORT"
  else
    say "mq: down"
    return 1
  fi
}

mq_env() {
  local url=amqp://$MQ_ROLE:$MQ_PASSWORD@127.0.0.1:$MQ_PORT/%2f
  say "export AMQP_URL=$url"
  say "export TIDEWAITER_TEST_AMQP=$url"
  say "export TIDEWAITER_TEST_RABBITMQ_MANAGEMENT=http://$MQ_ROLE:$MQ_PASSWORD@127.0.0.1:$MQ_MANAGEMENT"
}

# A client of a node that is down would start a port mapper which stays.
mq_ctl() {
  local name
  if name=$(mq_container); then
    docker exec "$name" rabbitmqctl "$@"
    return
  fi
  mq_pid >/dev/null || die "mq is not running"
  mq_environment
  env "${MQ_ENVIRONMENT[@]}" "$(SERVICES_MQ_FIND='' mq_bin)/rabbitmqctl" "$@"
}

mq_wipe() {
  local name
  if name=$(mq_container); then
    docker rm -f -v "$name" >/dev/null 2>&1 || true
  else
    mq_kill >/dev/null
  fi
  rm -rf "$MQ"
}
