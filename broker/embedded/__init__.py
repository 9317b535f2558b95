"""The laptop's broker: reads Brokers and Triggers from Knative manifests and delivers as Knative's class Kafka does.

    python -m broker.embedded --triggers triggers.yaml --service count-visits=http://127.0.0.1:40001 --data broker.db

These modules do what class Kafka does: event (HTTP forms), filters, triggers (what manifests say), retry_policy
(settings and defaults), delivery (what each answer means), subscription (order, how much is in flight), ingress (how a
publisher is answered; most of them already in door). tests/broker runs against this broker and against real ones.

What differs from class Kafka:

- An event that could neither be delivered nor dead-lettered is kept and shown (`GET /-/kept`) instead of dropped.
- The end of every delivery is written at once and with its reply; Kafka commits offsets every five seconds. So fewer
  events come twice after a crash, but at least once is still the promise.
- Filters are applied when an event comes in, not when a Trigger reads it: a changed filter leaves the backlog alone.
- `knativekafkaoffset` counts all events of the file, not those of one partition. Events without a key go to the
  partitions in turn. `--partitions` is the topic's setting.
- Never more than 50 events of a Trigger are in flight; Kafka fetches another 50 while some of the last are under way.
- The values of `ce-` headers are decoded once on the way in and encoded on the way out, as CloudEvents asks; see event.
  Kafka passes them on as they came, and writes the attributes of a structured event unencoded: `주` becomes `?`.
- CloudEvents 0.3 is refused. There is no cesql, no TLS, no OIDC; such a Trigger is refused at start.
- Finished events are deleted after an hour, or when there are more than 100,000 of them.
"""
