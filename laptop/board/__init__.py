"""The feed of the live board on a laptop: what the broker reports and who is awake, as server-sent events.

It asks no function anything, so watching wakes nobody: who is awake is in state.json, and events come from the
broker's own feed. It is started by the first who watches and ends some time after the last one.

    {"kind": "snapshot", "at", "functions": {NAME: function}, "awake": [[MOMENT, NUMBER], ...], "broker": BOOL,
        "triggers": {KEY: figures}, "events": [...]}
    {"kind": "changes", "at", ...}: of these, what has changed, and "deliveries"

A function is {"folder", "state", "since", "instances", "starts", "wakings", "triggers"}: state is asleep, waking,
awake or stopping; wakings are the last starts, oldest first: {"at", "seconds"}. `awake` is how many functions had an
instance from a MOMENT (milliseconds since 1970) on. `broker` is false while the broker does not answer: figures and
events are then those from before. The rest is as broker/embedded/happenings.py tells it.
"""
