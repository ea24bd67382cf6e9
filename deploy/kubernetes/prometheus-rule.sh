#!/bin/sh
# prometheus-rule.sh [NAMESPACE] - prints deploy/rules/ as objects for the Prometheus operator, to be piped into
# `kubectl apply -f -`. A rule file is the object's `spec`, moved to the right.
set -eu
rules=$(cd "$(dirname "$0")/../rules" && pwd)
for file in "$rules"/*.yml; do
    name=${file##*/}
    cat <<HEAD
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: nodevitals-${name%.yml}
  namespace: ${1:-nodevitals}
  labels:
    app.kubernetes.io/name: nodevitals
    app.kubernetes.io/component: rules
spec:
HEAD
    sed 's/^\(.\)/  \1/' "$file"
done
