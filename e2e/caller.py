"""Calls every given model URL in turn, about 100 times a second, and counts failures per URL.

Each URL's first failure is allowed to be the killed one's: the run fails when more than one URL failed.
Usage: caller.py PROGRESS_FILE URL...; ends on SIGINT with a summary on stdout."""
import signal, sys, threading, time, urllib.request

progress, urls = sys.argv[1], sys.argv[2:]
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
signal.signal(signal.SIGTERM, lambda *_: stop.set())
good, bad = dict.fromkeys(urls, 0), dict.fromkeys(urls, 0)
beat = time.monotonic()
while not stop.is_set():
    for url in urls:
        try:
            with urllib.request.urlopen(url + "/apply?host=yahoo.com", timeout=2) as answer:
                assert b"legit" in answer.read()
            good[url] += 1
        except Exception:
            bad[url] += 1
    with open(progress, "w") as file:
        file.write(str(sum(good.values())))
    beat += 0.03
    stop.wait(max(0, beat - time.monotonic()))
failed = [url for url in urls if bad[url]]
healthy = [url for url in urls if not bad[url]]
print(f"{sum(good[u] for u in healthy)} calls to the {len(healthy)} other instances, 0 failed"
      f" ({sum(bad.values())} failed at the killed one)")
sys.exit(len(failed) > 1)
