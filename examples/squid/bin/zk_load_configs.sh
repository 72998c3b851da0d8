#!/bin/sh
# Pushes configs to ZooKeeper, pulls and shows them, with the flags of Metron's zk_load_configs.sh. Runs the maas-pipeline beside
# this file, else the one on the PATH.
self=$(readlink -f -- "$0") && pipeline=${self%/*}/maas-pipeline
[ -x "$pipeline" ] || pipeline=maas-pipeline
exec "$pipeline" configs "$@"
