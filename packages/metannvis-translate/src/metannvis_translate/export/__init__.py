"""Exporters: a model of a framework to the hub, with provenance."""
