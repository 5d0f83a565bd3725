"""The Grafana dashboards as code: each module declares one, ``python -m grafana`` writes them to ``dashboards/``."""
