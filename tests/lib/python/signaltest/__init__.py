"""signaltest: what the tests of signal-client share.

Reading order:
  nats.py       a NATS connection of our own: PUB, HPUB, SUB, request and reply
  jetstream.py  JetStream by its request API; a fast reader of whole streams
  kv.py         key-value buckets by their documented conventions
  copier.py     a thread that writes down every message of a stream, across restarts
  tools.py      wait_until, free ports, the workspace that ends every process and removes every file
  secrets.py    no secret in any output: what is searched for, and where
  procs.py      nats-server, agent, simulator and nginx as processes
  store.py      the files of a stopped nats-server: cutting a stream's tail short, as a power loss does
  exposition.py a strict reader of the text that /metrics gives
  seal.py       sealed values by another implementation
  ledger.py     the oracle: what the vendor offered against what the stream holds

Only the standard library is used, and none of the agent's own code or libraries: an oracle that shares
a bug with what it judges proves nothing.
"""
