#!/bin/sh
# Starts the model. It is run in the directory that holds it, and the model writes endpoint.dat there.
# -I and -S leave out user and site packages: the model needs none and starts faster.
exec python3 -I -S dga.py
