"""What shows and watches the airline: Prometheus rules, Grafana dashboards, and the settings of Loki and Alloy.

`rules.yaml` and `prometheus.yaml` are for Prometheus, `cluster/` has values of Helm charts; `dashboards.py` makes the
files in `dashboards/`, which Grafana reads. Nothing of Grafana, Loki or Tempo is part of this project.
"""
