#!/bin/sh
# Reads a sensor's messages, with the flags of Metron's start_parser_topology.sh; stays until it gets SIGTERM. Runs the
# maas-pipeline beside this file, else the one on the PATH.
self=$(readlink -f -- "$0") && pipeline=${self%/*}/maas-pipeline
[ -x "$pipeline" ] || pipeline=maas-pipeline
exec "$pipeline" run "$@"
