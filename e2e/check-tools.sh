#!/bin/sh
# Says at once, by name, which program is missing and how to get it.
missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing\n  $1: $2"; }
need cargo "https://rustup.rs (Rust 1.95 or newer)"
need cc "apt-get install build-essential"
need java "apt-get install openjdk-17-jdk-headless"
need javac "apt-get install openjdk-17-jdk-headless"
need mvn "apt-get install maven"
need python3 "apt-get install python3"
need perl "apt-get install perl"
need curl "apt-get install curl"
need git "apt-get install git"
[ -z "$missing" ] && exit 0
printf "These programs are missing:$missing\n" >&2
exit 1
