#!/bin/bash
# The page that this project began from, command by command on real parts: a model is deployed, squid's log goes through Kafka
# and the model into a search engine, and the two documents that the page promises are there. Only hosts and ports differ, and
# Kafka's tools, which lost --zookeeper and --broker-list since.
. "$(dirname "$0")/stage.sh" squid-demo
chmod 711 "$work" # squid runs as nobody

squid=--squid
if ! PATH=$PATH:/usr/sbin command -v squid >/dev/null; then
  squid=
  echo "squid is not installed (apt-get install squid): its recorded log lines take its place"
fi

say "The machines of the page, all on this one: ZooKeeper, HDFS, YARN, Kafka, OpenSearch${squid:+, squid}"
start_cluster 300 --kafka --search $squid
zookeeper=$(field quorum) kafka=$(field kafka) kafka_bin=$(field kafka_bin) search=$(field search)
METRON_HOME=$work/metron config=$work/metron/config/zookeeper
mkdir -p "$config/parsers" "$config/enrichments"
ln -s "$bin" "$METRON_HOME/bin"
cp -r "$here/examples/mock_dga" "$work/mock_dga"
printf '{"es.ip": "%s", "es.port": "%s", "es.date.format": "yyyy.MM.dd.HH"}\n' "$(cut -d/ -f3 <<<"$search" | cut -d: -f1)" "${search##*:}" >"$config/global.json"

say "Deploy Mock DGA Service via MaaS"
run "$METRON_HOME/bin/maas_service.sh" -zq "$zookeeper"
run "$METRON_HOME/bin/maas_deploy.sh" -zq "$zookeeper" -lmp "$work/mock_dga" -hmp /user/root/models -mo ADD -m 512 -n dga -v 1.0 -ni 1
listed() { "$METRON_HOME/bin/maas_deploy.sh" -zq "$zookeeper" -mo LIST | grep -q serving; }
until_true 60 listed || fail "the model does not serve"
run "$METRON_HOME/bin/maas_deploy.sh" -zq "$zookeeper" -mo LIST | tee "$work/list"
grep -q '^Model dga @ 1.0$' "$work/list" || fail "LIST does not show the model"
url=$(sed -n 's/^dga:1.0 @ \(.*\) serving:$/\1/p' "$work/list" | head -1)
run curl -sS "$url/apply?host=caseystella.com" | tee "$work/verdict"; echo
grep -q '"is_malicious": *"malicious"' "$work/verdict" || fail "the model answers otherwise"

say "Adjust Configurations for Squid to Call Model"
cp "$here/examples/squid/config/zookeeper/parsers/squid.json" "$config/parsers/squid.json"
cp "$here/examples/squid/config/zookeeper/enrichments/squid.json" "$config/enrichments/squid.json"
run cat "$config/parsers/squid.json"
run cat "$config/enrichments/squid.json"
run "$METRON_HOME/bin/zk_load_configs.sh" --mode PUSH -i "$config" -z "$zookeeper"
run "$kafka_bin/kafka-topics.sh" --bootstrap-server "$kafka" --create --topic squid --partitions 1 --replication-factor 1

say "Start Topologies and Send Data"
show "$METRON_HOME/bin/start_parser_topology.sh -k $kafka -z $zookeeper -s squid &"
"$METRON_HOME/bin/start_parser_topology.sh" -k "$kafka" -z "$zookeeper" -s squid >"$work/pipeline.log" 2>&1 &
pipeline=$!
if [ -n "$squid" ]; then
  proxy=$(field proxy) log=$(field access_log)
  for site in http://yahoo.com http://cnn.com; do
    if command -v squidclient >/dev/null; then
      run squidclient -h "${proxy%:*}" -p "${proxy##*:}" "$site" | sed -n 1,2p
    else
      run curl -sS -x "http://$proxy" -o /dev/null -w '%{http_code}\n' "$site"
    fi
  done
  logged() { [ "$(grep -c . "$log")" -ge 2 ]; }
  until_true 30 logged || fail "squid logged fewer than two requests"
else
  log=$work/access.log
  cat >"$log" <<'L'
1795512257.301      4 127.0.0.1 TCP_MISS/200 645 GET http://yahoo.com/ - FIRSTUP_PARENT/127.0.0.1 text/html
1795512257.349      1 127.0.0.1 TCP_MISS/200 645 GET http://cnn.com/ - FIRSTUP_PARENT/127.0.0.1 text/html
L
fi
show "cat $log | $kafka_bin/kafka-console-producer.sh --bootstrap-server $kafka --topic squid"
cat "$log"
cat "$log" | "$kafka_bin/kafka-console-producer.sh" --bootstrap-server "$kafka" --topic squid

say "Browse the data: two documents in the squid index"
both() {
  kill -0 "$pipeline" || return 1
  curl -sS -XPOST "$search/squid_index_*/_refresh" && curl -sS "$search/squid_index_*/_search" >"$work/found.json"
  python3 -c 'import json,sys; sys.exit(len(json.load(open(sys.argv[1]))["hits"]["hits"]) < 2)' "$work/found.json"
}
until_true 60 both || fail "two documents were not indexed"
run curl -sS "$search/squid_index_*/_search?q=is_malicious:*&pretty"
python3 - "$work/found.json" <<'P' || fail "the documents are not what the page says"
import json, sys
hits = [hit["_source"] for hit in json.load(open(sys.argv[1]))["hits"]["hits"]]
of = {document["full_hostname"]: document for document in hits}
wrong = []
def must(what, is_so):
    print(("  yes: " if is_so else "  NO:  ") + what)
    wrong.extend([] if is_so else [what])
must("two documents, one of yahoo.com and one of cnn.com", len(hits) == 2 and set(of) == {"yahoo.com", "cnn.com"})
yahoo, cnn = of.get("yahoo.com", {}), of.get("cnn.com", {})
must("yahoo.com has no is_alert", bool(yahoo) and "is_alert" not in yahoo)
must("yahoo.com has is_malicious legit", yahoo.get("is_malicious") == "legit")
must('cnn.com has is_alert "true"', cnn.get("is_alert") == "true")
must("cnn.com has is_malicious malicious", cnn.get("is_malicious") == "malicious")
must("cnn.com has threat:triage:level 100", cnn.get("threat:triage:level") == 100)
sys.exit(bool(wrong))
P

say "The end: all that was started goes"
kill "$pipeline"; wait "$pipeline" || fail "the pipeline did not end well"; pipeline=
end_cluster "deployed, called, configured, logged, judged, indexed, as the page says"
