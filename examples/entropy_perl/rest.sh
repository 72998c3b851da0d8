#!/bin/sh
# Starts the model. It is run in the directory that holds it, and the model writes endpoint.dat there.
exec perl entropy.pl
