#!/bin/sh
# Adds, removes and lists models, with the flags of Metron's maas_deploy.sh. Runs the maasctl beside this file, else the one on the PATH.
self=$(readlink -f -- "$0") && maasctl=${self%/*}/maasctl
[ -x "$maasctl" ] || maasctl=maasctl
exec "$maasctl" legacy deploy "$@"
