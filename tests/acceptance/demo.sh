#!/usr/bin/env bash
# A message's whole way, to watch: `make demo`. All of it happens in a folder of its own, which is removed at the end.
set -euo pipefail

# What the samples come to: the hip stem's line and the three lines of the other case. The rest of them shows what
# becomes of a credit, a payment, an unknown code, a lot that contradicts its UDI and a message that no channel wants.
POSTINGS=4

folder=$(mktemp -d "${TMPDIR:-/tmp}/casecart-demo.XXXXXX")
engine=
end() {
  if [ -n "$engine" ]; then
    kill "$engine" 2> /dev/null || true
    wait "$engine" 2> /dev/null || true
  fi
  rm -rf "$folder"
}
trap end EXIT

typed() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
show() { typed "$@" && "$@"; }
handed_over() { find var/inventory -name '*.json' 2> /dev/null | wc -l; }

# Waits up to 20 seconds for a command to succeed.
until_so() {
  for _ in $(seq 200); do
    if "$@"; then return 0; fi
    kill -0 "$engine" || return 1
    sleep 0.1
  done
  return 1
}
is_open() { grep -q ' listens on ' "$folder/engine.out"; }
is_through() { [ "$(handed_over)" -ge "$POSTINGS" ]; }

show casecart init "$folder/ws"
cd "$folder/ws"

# 2575 may be taken here: any port that is free will do.
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
sed -i.bak "s/port: 2575/port: $port/" config/engine.yaml && rm config/engine.yaml.bak

show casecart check
typed "casecart run &"
casecart run > "$folder/engine.out" &
engine=$!
until_so is_open || { echo "demo: the engine did not start" >&2; exit 1; }
cat "$folder/engine.out"

show casecart send --to "127.0.0.1:$port" samples/hl7v2/*.hl7
until_so is_through || true
show casecart messages
show casecart message show 3
show casecart status
show ls -l var/inventory

typed "kill $engine"
kill "$engine"
wait "$engine" || { echo "demo: the engine did not stop in order" >&2; exit 1; }
engine=

found=$(handed_over)
if [ "$found" -ne "$POSTINGS" ]; then
  echo "demo: $found postings were handed over, and $POSTINGS were expected" >&2
  exit 1
fi
printf '\n%s postings were handed over, as expected.\n' "$found"
