"""The data source that every query goes to: chosen at the top of the page, by default the one that is provisioned."""

from __future__ import annotations

from grafana_foundation_sdk.models.common import DataSourceRef

SOURCE_UID = "driftline-prometheus"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
