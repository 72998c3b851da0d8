"""Prints the pid of the process that listens on a TCP port of this machine."""
import glob, os, sys

port = int(sys.argv[1])
inodes = set()
for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in open(table).read().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
            inodes.add(f"socket:[{columns[9]}]")
for fd in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if os.readlink(fd) in inodes:
            print(fd.split("/")[2])
            break
    except OSError:
        pass
else:
    sys.exit(1)
