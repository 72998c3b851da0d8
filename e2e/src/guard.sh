# Ends a cluster when its owner is gone. $1: the cluster's directory.
# Standard input is a pipe whose other end only the owner holds: it closes when the owner lets go or dies, however it dies.
# The last line read says "keep" or "remove" of the directory.
dir=$1
trap '' HUP INT TERM
cd /
verdict=remove
while read -r line; do verdict=$line; done

# Daemons carry the directory in their environment. Containers don't get the NodeManager's environment and run in sessions
# of their own, but the NodeManager gives them LOCAL_DIRS and starts them below its local directory.
processes() {
    {
        grep -lsaF -e "MAAS_E2E_DIR=$dir/" -e "LOCAL_DIRS=$dir/" /proc/[0-9]*/environ
        find /proc/[0-9]* -maxdepth 1 -name cwd -lname "$dir/nm*" 2>/dev/null
    } | cut -d/ -f3 | sort -u
}

rounds=0
while [ $rounds -lt 200 ]; do
    pids=$(processes)
    [ -n "$pids" ] || break
    # A process that ended since it was listed is no fault.
    kill -9 $pids 2>/dev/null
    rounds=$((rounds + 1))
    sleep 0.02
done
[ "$verdict" = keep ] || rm -rf -- "$dir"
