#!/bin/sh
# Starts the service, with the flags of Metron's maas_service.sh. Runs the maasctl beside this file, else the one on the PATH.
self=$(readlink -f -- "$0") && maasctl=${self%/*}/maasctl
[ -x "$maasctl" ] || maasctl=maasctl
exec "$maasctl" legacy service "$@"
