#!/usr/bin/env bash
# Lets every DatapathResult go that waits for its run to keep its numbers, when no controller is there to do so: without this a
# deletion of results, of their namespaces or of the CustomResourceDefinition would wait for ever. A controller that runs puts the
# finalizer back: end it first. Usage: tools/release-results.sh [-n NAMESPACE]   (KUBECTL names another kubectl)
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
finalizer=datapath.observer/archive
scope=(-A)
if [ "${1:-}" = -n ]; then scope=(-n "${2:?a namespace}"); fi

if ! "$kubectl" get customresourcedefinition datapathresults.datapath.observer >/dev/null 2>&1; then
  echo 'no DatapathResults here' >&2
  exit 0
fi
held=$("$kubectl" get datapathresults "${scope[@]}" \
  -o "jsonpath={range .items[?(@.metadata.finalizers[0]==\"$finalizer\")]}{.metadata.namespace}{\" \"}{.metadata.name}{\"\\n\"}{end}")
if [ -z "$held" ]; then
  echo 'no DatapathResult is held' >&2
  exit 0
fi
patch="[{\"op\":\"test\",\"path\":\"/metadata/finalizers/0\",\"value\":\"$finalizer\"},{\"op\":\"remove\",\"path\":\"/metadata/finalizers/0\"}]"
for namespace in $(cut -d' ' -f1 <<<"$held" | sort -u); do
  names=$(awk -v namespace="$namespace" '$1 == namespace {print $2}' <<<"$held")
  echo "releasing $(wc -l <<<"$names") results in $namespace" >&2
  # One that went meanwhile is no failure: what is left is looked at below.
  xargs -n 200 -P 4 "$kubectl" patch datapathresults -n "$namespace" --type=json -p "$patch" <<<"$names" >/dev/null || true
done
left=$("$kubectl" get datapathresults "${scope[@]}" \
  -o "jsonpath={range .items[?(@.metadata.finalizers[0]==\"$finalizer\")]}{.metadata.name}{\"\\n\"}{end}" | wc -l)
if [ "$left" -gt 0 ]; then
  echo "$left results are still held: does a controller run?" >&2
  exit 1
fi
