# What knative/deploy and knative/undeploy share; they read it by `.`.
# An installation has stages, each a folder of manifests under $stages.

stages=$(mktemp -d)
trap 'rm -rf "$stages"' EXIT

# Sorts what knative/render makes of $1 into the stages, and sets $namespace.
render() {
  mkdir "$stages"/{namespace,ground,schemas,broker,topic,dead-letters,bindings,functions,triggers,traffic}
  "$here/render" "$1" "$stages/ground"
  into namespace v1_namespace_
  into topic batch_v1_job_topic-partitions
  into schemas batch_v1_job_
  into broker eventing.knative.dev_v1_broker_
  into dead-letters serving.knative.dev_v1_service_dead-letters
  into traffic serving.knative.dev_v1_service_gateway sources.knative.dev_v1_pingsource_
  into bindings sources.knative.dev_v1_sinkbinding_
  into functions serving.knative.dev_v1_service_
  into triggers eventing.knative.dev_v1_trigger_
  # kustomize puts names in quotes that are something else in YAML: 123, on, null
  namespace=$(sed -n "s/^  name: //p" "$stages"/namespace/* | tr -d "\"'")
}

into() {
  local stage=$1 start
  shift
  for start; do
    # not every overlay has everything
    ! compgen -G "$stages/ground/$start*" >/dev/null || mv "$stages/ground/$start"* "$stages/$stage/"
  done
}

say() { printf '%s\n' "$*"; }

fail() {
  printf '\n%s\n' "$*" >&2
  exit 1
}

# Says of every object of a stage or file that is not as it should be what it says itself, and what the pods wait for.
explain() {
  local file
  find "$1" -type f | while read -r file; do
    kubectl get -f "$file" --ignore-not-found -o go-template='{{$o := .}}{{range .status.conditions}}{{if ne .status "True"}}{{
      $o.kind}} {{$o.metadata.name}}: {{.type}} is {{.status}}{{with .reason}}, {{.}}{{end}}{{with .message}}: {{.}}{{end}}{{
      "\n"}}{{end}}{{end}}'
  done >&2
  echo "Pods that are not ready:" >&2
  kubectl -n "$namespace" get pods --no-headers | awk '{ split($2, ready, "/") } ready[1] < ready[2] && $3 != "Completed"' >&2
  echo "The last warnings:" >&2
  kubectl -n "$namespace" get events --field-selector type=Warning --sort-by=.lastTimestamp \
    -o custom-columns=OBJECT:.involvedObject.name,REASON:.reason,MESSAGE:.message | tail -n 10 >&2
}
