"""Tests of the report in a browser: ``tox -e browser``."""
