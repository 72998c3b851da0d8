#!/bin/bash
# The main job on real daemons: the seed's three commands, the same declared by a manifest, two kills healed, a clean end.
. "$(dirname "$0")/stage.sh" demo

say "A cluster: ZooKeeper, NameNode, DataNode, ResourceManager, two NodeManagers (real daemons, free ports)"
start_cluster 180 --nms 2
quorum=$(field quorum)
export MAAS_ZOOKEEPER=$quorum PATH="$bin:$PATH"
cp -r "$here/examples/mock_dga" "$work/mock_dga"

say "The seed's three commands, as written there"
run maas_service.sh -zq "$quorum"
run maas_deploy.sh -zq "$quorum" -lmp "$work/mock_dga" -hmp /user/root/models -mo ADD -m 512 -n dga -v 1.0 -ni 1 --wait
run maas_deploy.sh -zq "$quorum" -mo LIST | tee "$work/list"
url=$(sed -n 's/^dga:1.0 @ \(.*\) serving:$/\1/p' "$work/list" | head -1)
[ -n "$url" ] || fail "LIST shows no endpoint"
for host in yahoo.com caseystella.com; do run curl -sS "$url/apply?host=$host"; echo; done
[ "$(curl -sS "$url/apply?host=caseystella.com" | tr -d ' ')" = '{"is_malicious":"malicious"}' ] || fail "the model answers otherwise"

say "The same, declared: three replicas by a manifest"
payload=$(maasctl get models dga-1.0 -o yaml | sed -n 's/^ *path: *//p' | head -1)
cat >"$work/dga.yaml" <<Y
apiVersion: maas/v1
kind: ModelDeployment
metadata:
  name: dga-1.0
spec:
  model: {name: dga, version: "1.0"}
  replicas: 3
  payload: {path: $payload}
  resources: {memory: 512Mi, vcores: 1}
Y
run cat "$work/dga.yaml"
run maasctl apply -f "$work/dga.yaml"
maasctl get models -w >"$work/watch" 2>&1 &
watcher=$!
endpoints() { maasctl get endpoints --no-headers | awk '{print $1, $4}' | sort; }
ready_is() { maasctl get models dga-1.0 --no-headers 2>/dev/null | grep -q " $1 "; }
until_true 30 ready_is 3/3 || fail "three replicas were not ready"
run maasctl get instances

say "Kill one model with -9 while the others are called"
victim=$(endpoints | awk 'NR==1 {print $2}')
python3 "$here/e2e/caller.py" "$work/calls" $(endpoints | awk '{print $2}') >"$work/caller.log" 2>&1 &
caller=$!
until_true 10 test -s "$work/calls" || fail "the caller does not call"
port=${victim##*:}
pid=$(python3 "$here/e2e/listener.py" "$port") || fail "nobody listens on $port"
echo "killing -9 the model behind $victim (pid $pid)"
kill -9 "$pid"
until_true 10 ready_is 2/3 || true
until_true 30 ready_is 3/3 || fail "the killed model did not come back"

say "Kill the operator itself with -9"
before=$(endpoints)
attempt=$(maasctl service status | sed -n 's/^Attempt: *//p')
operator=$(pgrep -f "^./maas-operator" | while read -r p; do tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -q "^PWD=$work/" && echo "$p"; done | head -1)
[ -n "$operator" ] || fail "no operator process found"
echo "killing -9 the operator (pid $operator, attempt $attempt)"
kill -9 "$operator"
next_attempt() { maasctl service status | grep -q '(epoch 2,' && maasctl service status | grep -q '^Ready: *true'; }
until_true 30 next_attempt || fail "no new operator"
run maasctl service status
after=$(endpoints)
[ "$before" = "$after" ] && echo "the same three endpoints serve on: no container was restarted" || fail "endpoints changed"
kill -INT "$caller"; wait "$caller" || fail "calls to the other instances failed: $(cat "$work/caller.log")"
caller=
cat "$work/caller.log"

say "What get -w showed meanwhile"
kill "$watcher" 2>/dev/null || true; watcher=
cat "$work/watch"
run maasctl events dga-1.0 | tail -12

say "REMOVE, and the end of the service"
run maas_deploy.sh -zq "$quorum" -mo REMOVE -n dga -v 1.0 -ni 3 --wait
run maas_deploy.sh -zq "$quorum" -mo LIST
run maasctl service stop

say "The end: the cluster goes, and no process stays"
end_cluster "declared, live, listed, called, killed, healed, removed"
