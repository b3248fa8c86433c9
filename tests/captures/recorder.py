"""Stands under a plugin's name in CNI_PATH: notes each call in `<path>.jsonl`, then is the plugin at `<path>.real`."""

import json
import os
import sys

stdin = sys.stdin.read()
environ = {name: value for name, value in os.environ.items() if name.startswith("CNI_")}
with open(f"{sys.argv[0]}.jsonl", "a") as calls:
    calls.write(json.dumps([environ, stdin]) + "\n")
again = os.memfd_create("stdin")
os.write(again, stdin.encode())
os.lseek(again, 0, os.SEEK_SET)
os.dup2(again, 0)
os.execv(os.readlink(f"{sys.argv[0]}.real"), sys.argv)
