"""Pictures of the dashboards, drawn from their own JSON and the answers of a real Prometheus to their own queries."""
